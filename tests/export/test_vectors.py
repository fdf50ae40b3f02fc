"""The conformance vectors: drawn from any specification, kept by the reference, broken by clients that are wrong."""

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_up
from nearsight.backends import Backend
from nearsight.backends.reference import NumpyBackend
from nearsight.conformance import differences, read_vectors, verify
from nearsight.errors import BundleError
from nearsight.heads import calibrated
from nearsight.manifest import Manifest
from nearsight.spec import Category, Clock, Groups, Number, Reset, Spec, Steps
from nearsight_export.vectors import UNKNOWN, invented

NAMES = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, max_size=4).map(tuple)


@st.composite
def numbers(draw, name, least=-100.0):
    low = draw(st.floats(least, 100))
    high = low + draw(st.floats(0, 1e4))
    edges = tuple(sorted(draw(st.just(()) | st.sets(st.integers(-9, 9).map(float), min_size=2, max_size=4))))
    return Number(name=name, low=low, high=high, log=draw(st.booleans()), flag=draw(st.booleans()), edges=edges)


@st.composite
def specs(draw):
    seen = {part: st.booleans() for part in ("hour", "weekday", "season")}
    clock = draw(st.none() | st.builds(Clock, gap=numbers("gap", 0.0), age=numbers("age", 0.0), **seen))
    fields = tuple(draw(numbers(name)) for name in ("x", "y")[: draw(st.integers(0, 2))])
    needed = clock is None and not fields
    steps = Steps(name="step", lows=(0.0, 1.0), highs=(1.0, 1.0)) if needed or draw(st.booleans()) else None
    reset = Reset(max_events=draw(st.none() | st.integers(1, 20)), gap_seconds=draw(st.none() | st.floats(1, 1e6)))
    category = Category(name="kind", vocabulary=draw(NAMES))
    event = Category(name="event", vocabulary=draw(NAMES))
    edges = draw(st.lists(st.floats(-100, 100), unique=True, max_size=3).map(sorted))
    groups = (Groups(name="age", edges=tuple(edges)),) if edges else ()
    counts = tuple(draw(numbers(name, 0.0)) for name in event.vocabulary[: draw(st.integers(0, 2))])
    return Spec(
        event=event,
        categories=(category,),
        groups=groups,
        numbers=fields,
        steps=steps,
        clock=clock,
        counts=tuple(msgspec.structs.replace(count, flag=False, edges=()) for count in counts),
        reset=reset,
    )


def model(spec, seed=0):
    heads = made_up.heads()
    trunk = made_up.trunk(spec, heads)
    weights = calibrated(made_up.weights(trunk, seed), heads)
    manifest = Manifest(
        name="made-up", model="0", created="", spec=spec, trunk=trunk, heads=heads, window=8, members={}
    )
    return manifest, weights


@given(specs(), st.integers(0, 9))
@settings(max_examples=30)
def test_vectors_of_any_specification_are_kept_by_the_reference(spec, seed):
    manifest, weights = model(spec)
    vectors = read_vectors(msgspec.json.encode(invented(manifest, weights, seed)))
    verify(vectors, manifest, NumpyBackend(weights, manifest.trunk), "fp32")


def test_vectors_hold_every_case_that_a_client_may_get_wrong():
    manifest, weights = model(made_up.spec())
    vectors = invented(manifest, weights, 1)
    moments = [moment for history in vectors.histories for moment in history.moments]
    events = [moment for moment in moments if moment.event is not None]
    assert any(moment.event is None for moment in moments)
    assert any(moment.event == UNKNOWN and moment.codes[0] == 0 for moment in events)
    assert any(moment.fields == {} for moment in events)
    assert any(set(moment.fields) == {"device", "age", "price", "balance"} for moment in events)
    assert any(0 < a.time - b.time < 4000 for a, b in pairwise(events))  # a clock that jumped back
    assert {0, 1, 2, 3} <= {moment.codes[0] for moment in events}
    assert {0, 1, 2, 3, 4} == {moment.codes[2] for moment in events}
    assert any(moment.fields.get("age") in (18.0, 30.0, 65.0) for moment in events)
    for place, count in enumerate(manifest.spec.counts, manifest.spec.count_columns.start):
        bounds = {np.float32((math.log1p(x) - count.mean) * count.scale) for x in (count.low, count.high)}
        for told in (events, [moment for moment in moments if moment.event is None]):
            assert bounds <= {np.float32(moment.numbers[place]) for moment in told}  # none yet, and past the bound


def test_vectors_are_the_same_for_the_same_seed_alone():
    manifest, weights = model(made_up.spec())
    assert invented(manifest, weights, 1) == invented(manifest, weights, 1)
    assert invented(manifest, weights, 1).histories != invented(manifest, weights, 2).histories


class Wrong(Backend):
    """A client that breaks one rule."""

    def __init__(self, weights, trunk, rule):
        self.sound, self.rule, self.trunk = NumpyBackend(weights, trunk), rule, trunk
        super().__init__("wrong", self.sound.bind)

    def step(self, codes, numbers, state):
        if self.rule == "ignores the state":
            state = np.zeros_like(state)
        if self.rule == "now rows as unknown events":
            codes = np.where(codes == len(made_up.EVENTS) + 1, 0, codes)
        heads, embedding, state = self.sound.step(codes, numbers, state)
        if self.rule == "not a number":
            heads = heads * np.nan
        if self.rule == "one output short":
            heads = heads[:, :-1]
        if self.rule == "an embedding of zeros":
            embedding = np.zeros_like(embedding)
        return heads, embedding, state


@pytest.mark.parametrize(
    "rule",
    ["ignores the state", "now rows as unknown events", "not a number", "one output short", "an embedding of zeros"],
)
def test_a_wrong_client_is_found(rule):
    manifest, weights = model(made_up.spec())
    vectors = invented(manifest, weights, 1)
    with pytest.raises(BundleError, match="wrong lies"):
        verify(vectors, manifest, Wrong(weights, manifest.trunk, rule), "fp32")


def test_rows_are_compared_as_well():
    """A client whose weekday begins on Sunday."""
    manifest, weights = model(made_up.spec())
    vectors = invented(manifest, weights, 1)
    column = manifest.spec.number_names.index("weekday_sin")
    first = vectors.histories[0]
    numbers = list(first.moments[0].numbers)
    numbers[column] += 0.5
    moment = msgspec.structs.replace(first.moments[0], numbers=tuple(numbers))
    history = msgspec.structs.replace(first, moments=(moment, *first.moments[1:]))
    changed = msgspec.structs.replace(vectors, histories=(history, *vectors.histories[1:]))
    assert differences(changed, manifest, NumpyBackend(weights, manifest.trunk)).rows == pytest.approx(0.5, abs=1e-6)


def test_damaged_vectors_are_a_bundle_error():
    with pytest.raises(BundleError, match=r"vectors\.json can't be read"):
        read_vectors(b'{"tolerances": 3}')
