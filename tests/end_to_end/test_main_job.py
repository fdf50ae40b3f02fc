"""Real customers' purchases, as an app would report them, through the SDK: what it says is what was trained."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import nearsight
from nearsight_training.answers import answers, probabilities
from nearsight_training.network import assign, build
from nearsight_training.run import load_histories, load_run, load_weights

RUNTIMES = ("litert", "onnx", "numpy")
SAME = 1e-5  # float32 sums in another order; a wrong gate, tap or parity shows at 1e-3 and more


@pytest.fixture(scope="session")
def tested(job):
    """The test split, and the trained network's probabilities after each of its events and for each question."""
    run, histories = load_run(job.run), load_histories(job.run).select(2)
    network = build(run.trunk, asks=True)
    assign(network, load_weights(job.run))
    logits = answers(network, histories)
    return histories, probabilities(logits.events, run.heads[0]), probabilities(logits.asks, run.heads[0])


def purchases(histories, history):
    """One customer's events as an app has them."""
    for event in range(*histories.span(history).indices(len(histories.codes))):
        fields = {name: values[event].item() for name, values in histories.fields.items()}
        yield event, str(histories.names[event]), float(histories.times[event]), fields


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_observed_equals_trained_at_every_prefix(job, tested, runtime):
    histories, expected, _ = tested
    insight = nearsight.load(job.bundle, runtime=runtime)
    longest = np.argsort(-histories.lengths)[:20]
    for history in (*longest, *range(60)):
        session = insight.session()
        for event, name, time, fields in purchases(histories, history):
            assert session.observe(name, time=time, **fields)["buys again"] == pytest.approx(expected[event], abs=SAME)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_scored_later_equals_the_trained_question(job, tested, runtime):
    histories, _, expected = tested
    insight = nearsight.load(job.bundle, runtime=runtime)
    for question in range(0, len(histories.ask_time), len(histories.ask_time) // 80):
        session = insight.session()
        events = list(purchases(histories, int(histories.ask_history[question])))
        for _, name, time, fields in events[: histories.ask_after[question]]:
            session.observe(name, time=time, **fields)
        later = session.score(time=float(histories.ask_time[question]))
        assert later["buys again"] == pytest.approx(expected[question], abs=SAME)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_customer_at_once_ranks_those_who_come_back(job, tested, runtime):
    histories, _, _ = tested
    cutoff = histories.ask_time.max()
    asked = np.flatnonzero(histories.ask_time == cutoff)
    several = [
        [event[1:] for event in list(purchases(histories, int(histories.ask_history[question])))][
            : histories.ask_after[question]
        ]
        for question in asked
    ]
    readings = nearsight.load(job.bundle, runtime=runtime).score_many(several, time=float(cutoff))
    assert roc_auc_score(histories.ask_labels[asked, 0], readings["buys again"]) > 0.72  # 0.5 is chance


def test_a_snapshot_changes_runtime_in_mid_history(job, tested):
    histories, expected, _ = tested
    history = int(np.argmax(histories.lengths))
    session = nearsight.load(job.bundle, runtime="litert").session()
    for turn, (event, name, time, fields) in enumerate(purchases(histories, history)):
        insight = nearsight.load(job.bundle, runtime=RUNTIMES[turn % len(RUNTIMES)])
        session = insight.session(session.snapshot())
        assert session.observe(name, time=time, **fields)["buys again"] == pytest.approx(expected[event], abs=SAME)
