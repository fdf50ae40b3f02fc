"""Histories that start anew: a session streams them as training saw them, and labels look beyond."""

import msgspec
import numpy as np
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight.heads import calibrated
from nearsight.manifest import Manifest, model_id
from nearsight.session import Model, Session
from nearsight.spec import Reset
from nearsight_training.answers import answers, probabilities
from nearsight_training.config import Size
from nearsight_training.learning import trunk_of
from nearsight_training.network import build, canonical
from nearsight_training.preparation import prepare
from nearsight_training.sequences import crops
from training.conftest import DAY
from training.test_split import CONFIG, busy_log

RESETS = {
    "gap": Reset(gap_seconds=1.5 * DAY),
    "events": Reset(max_events=4),
    "both": Reset(gap_seconds=2 * DAY, max_events=3),
}


@pytest.fixture(scope="module", params=RESETS.values(), ids=RESETS)
def prepared(request):
    return prepare(busy_log(), msgspec.structs.replace(CONFIG, reset=request.param))


def test_a_session_answers_as_the_train_graph_does(prepared):
    histories, spec = prepared.histories, prepared.spec
    trunk = trunk_of(spec, prepared.heads, Size(filters=6, units=8))
    network = build(trunk, asks=True)
    given = answers(network, histories)
    events, asks = (probabilities(logits, prepared.heads[0]) for logits in (given.events, given.asks))
    weights = calibrated(canonical(network), prepared.heads)
    manifest = Manifest(
        name="anew", model=model_id(weights), created="", spec=spec, trunk=trunk, heads=prepared.heads, window=32,
        members={},
    )  # fmt: skip
    model = Model(NumpyBackend(weights, trunk), manifest)
    for history in range(len(histories)):
        session, span = Session(model), histories.span(history)
        for event in range(span.start, span.stop):
            reading = session.observe(str(histories.names[event]), time=float(histories.times[event]))
            assert reading["buy"] == pytest.approx(events[event], abs=1e-5)
            for question in np.flatnonzero(histories.ask_events == event):
                later = session.score(float(histories.ask_time[question]))
                assert later["buy"] == pytest.approx(asks[question], abs=1e-5)
    assert not histories.fresh.all()
    assert histories.fresh.sum() > len(histories)


def test_no_crop_holds_two_beginnings(prepared):
    histories = prepared.histories
    parts = crops(histories, 3, np.random.default_rng(0))
    for start, length in zip(parts.start, parts.length, strict=True):
        assert not histories.fresh[start + 1 : start + length].any()
    assert parts.length.sum() == len(histories.codes)


def test_labels_and_questions_stay_as_they_were(prepared):
    whole = prepare(busy_log(), CONFIG).histories
    for name in ("labels", "next_codes", "ask_labels", "ask_time", "ask_events", "starts", "split"):
        assert np.array_equal(getattr(prepared.histories, name), getattr(whole, name))
    assert not np.array_equal(prepared.histories.numbers, whole.numbers)
    assert np.array_equal(np.flatnonzero(whole.fresh), whole.starts)


def test_the_bounds_of_the_clock_are_those_of_the_stretches(prepared):
    """The gap that starts a history anew is no gap within one."""
    whole = prepare(busy_log(), CONFIG).spec.clock
    assert prepared.spec.reset in RESETS.values()
    assert prepared.spec.clock.age.mean < whole.age.mean
    if prepared.spec.reset.gap_seconds:
        assert prepared.spec.clock.gap.mean < whole.gap.mean
