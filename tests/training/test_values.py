"""Numbers to come: labels against a slow oracle, intervals that hold what they say, one way to read them everywhere."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nearsight
from nearsight.errors import InputError
from nearsight.heads import ValueHead, values_of
from nearsight_training.calibration import conformal
from nearsight_training.config import Fitting, LogConfig, Size, Value
from nearsight_training.labels import ask_values, event_values
from nearsight_training.metrics import value_metrics
from nearsight_training.preparation import prepare
from nearsight_training.run import Source, load_histories
from nearsight_training.train import train_prepared
from training.conftest import DAY, make_log
from training.test_table import bundle_of

SPEND = Value(name="spend", field="price", within_seconds=10, events=("buy",))
histories = st.lists(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["buy", "look"]), st.sampled_from([0.5, 2.0, -1.0, np.nan])),
        min_size=1,
        max_size=10,
    ).map(lambda events: sorted(events, key=lambda event: event[0])),
    min_size=1,
    max_size=5,
)


def priced(*told):
    prices = [price for history in told for *_, price in history]
    return make_log(
        *([(time, name) for time, name, _ in history] for history in told), fields={"price": np.array(prices)}
    )


def later(history, time, target):
    """What comes within the horizon, one event at a time."""
    prices = [
        price for at, name, price in history if time < at <= time + target.within_seconds and name in target.events
    ]
    if target.how == "next":
        return prices[0] if prices else np.nan
    return sum(price for price in prices if price == price)


@given(histories, st.sampled_from(["total", "next"]), st.integers(1, 20))
def test_after_every_event_the_number_is_that_of_the_events_to_come(told, how, within):
    log, target = priced(*told), Value(name="x", field="price", within_seconds=within, how=how, events=("buy",))
    found = event_values(log, target, np.full(len(log.times), 45.0))
    expected = [
        later(history, time, target) if time + within <= 45 else np.nan for history in told for time, *_ in history
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(histories, st.sampled_from(["total", "next"]), st.floats(0, 50))
def test_so_it_is_at_any_moment_between_events(told, how, moment):
    log, target = priced(*told), Value(name="x", field="price", within_seconds=7, how=how, events=("buy",))
    after = np.array([sum(time <= moment for time, *_ in history) for history in told])
    asked = np.flatnonzero(after)
    times = np.full(len(asked), moment)
    found = ask_values(log, target, asked, after[asked], times, np.full(len(asked), 60.0))
    np.testing.assert_allclose(found, [later(told[user], moment, target) for user in asked], rtol=1e-6)


def test_the_event_itself_adds_nothing_and_a_horizon_past_the_end_is_unknown():
    log = priced([(0, "buy", 100.0), (10, "buy", 7.0), (11, "buy", 1.0)])
    found = event_values(log, SPEND, np.full(3, 20.0))
    assert found[:2].tolist() == [7.0, 1.0]
    assert np.isnan(found[2])


def test_conformal_intervals_hold_their_share_of_data_never_seen():
    """Whatever the quantiles were: by the theorem coverage is at least the one asked for, up to chance."""
    generator = np.random.default_rng(0)
    truth = generator.exponential(size=8000)
    outputs = np.stack([np.full(8000, 0.3), np.full(8000, -0.2), generator.normal(1, 0.2, 8000)], 1)
    moved = outputs[4000:] + np.array(conformal(outputs[:4000], truth[:4000], 0.8))
    covered = ((moved[:, 1] <= truth[4000:]) & (truth[4000:] <= moved[:, 2])).mean()
    assert covered == pytest.approx(0.8, abs=0.025)  # four standard errors
    assert moved[:, 0].mean() == pytest.approx(truth[4000:].mean(), abs=0.06)


def test_figures_of_a_number_by_hand():
    told = np.array([[1.0, 0.0, 2.0], [4.0, 3.5, 5.0]])
    found = value_metrics(np.array([2.0, 2.0]), told, np.array([0, 1]))
    assert {name: round(each.value, 6) for name, each in found.items()} == {
        "rmse": round(2.5**0.5, 6),
        "mae": 1.5,
        "bias": 0.5,
        "coverage": 0.5,
        "width": 1.75,
    }


def test_a_reading_keeps_to_the_bounds_and_never_crosses():
    head = ValueHead(
        name="x",
        start=0,
        kind="total",
        field="f",
        within_seconds=1.0,
        low=-10.0,
        high=30.0,
        scale=0.1,
        offsets=(0.0, 0.0, 0.0),
    )
    outputs = np.array([[0.5, 0.6, 0.2], [0.25, -3.0, 9.0]])
    assert values_of(outputs, head).tolist() == [[10.0, 10.0, 10.0], [0.0, -10.0, 30.0]]


@pytest.fixture(scope="module")
def spenders():
    """400 users of two sorts who come about every third day and pay about 5 or about 50 each time."""
    generator, told = np.random.default_rng(1), []
    for user in range(400):
        times = np.cumsum(generator.uniform(2 * DAY, 4 * DAY, 18))
        prices = generator.gamma(4, 1.25 if user % 2 else 12.5, len(times))
        told.append([(time, "buy", price) for time, price in zip(times.tolist(), prices.tolist(), strict=True)])
    return priced(*told)


CONFIG = LogConfig(
    values=(Value(name="spend", field="price", within_seconds=10 * DAY),),
    split="user",
    validation_share=0.25,
    test_share=0.3,
    next_event=False,
    size=Size(filters=8, units=12),
    fitting=Fitting(epochs=8, dropout=0.0, batch_events=512, learning_rate=1e-2, teach=False),
)


@pytest.fixture(scope="module")
def spend_run(spenders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "spend"
    source = Source(name="spend", sha256="", rows=1, users=400, first_time=0.0, last_time=60 * DAY)
    return train_prepared(prepare(spenders, CONFIG), CONFIG, source, folder), folder


def test_a_run_tells_the_big_spenders_from_the_small_ones(spend_run):
    """The mean of all misses by the two sorts' distance, 75 each way; a network that reads prices by some 45."""
    run, _ = spend_run
    figures, mean = run.metrics["spend"], run.gates["spend"].rivals[1]
    assert figures["rmse"].value < 0.75 * mean.figures["rmse"].value
    assert mean.ahead["rmse"].high < 0
    assert figures["coverage"].value == pytest.approx(0.9, abs=0.05)
    assert abs(figures["bias"].value) < 0.2 * figures["mae"].value


def test_a_device_reads_what_training_measured(spend_run, tmp_path):
    run, folder = spend_run
    insight = nearsight.load(bundle_of(run, folder, tmp_path / "spend.nsight"), runtime="numpy")
    test = load_histories(folder).select(2)
    apart, inside = [], []
    for user in range(len(test)):
        session = insight.session()
        for event in range(*test.span(user).indices(len(test.codes))[:2]):
            told = session.observe("buy", test.times[event], price=test.fields["price"][event]).value("spend")
            if not np.isnan(truth := test.values[event, 0]):
                apart.append(told.point - truth)
                inside.append(told.low <= truth <= told.high)
    assert np.mean(np.square(apart)) ** 0.5 == pytest.approx(run.metrics["spend"]["rmse"].value, rel=1e-4)
    assert np.mean(inside) == pytest.approx(run.metrics["spend"]["coverage"].value, abs=1e-6)


def test_many_at_once_are_told_what_each_is_told(spend_run, tmp_path):
    insight = nearsight.load(bundle_of(*spend_run, tmp_path / "spend.nsight"), runtime="numpy")
    told = [[("buy", 3 * DAY * day, {"price": price}) for day in range(days)] for days, price in ((6, 5.0), (5, 50.0))]
    readings = insight.score_many(told)
    for index in range(2):
        assert readings.value("spend")[index] == pytest.approx(readings.reading(index).value("spend"))
    assert readings.value("spend")[1, 0] > 2 * readings.value("spend")[0, 0]
    with pytest.raises(KeyError, match="it answers 'spend'"):
        readings.value("speed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"field": "cost"}, "asks for a field of numbers, received 'cost': the log has price"),
        ({"events": ("rent",)}, "no event 'rent'"),
        ({"within_seconds": 1.0}, "needs numbers that differ among the training users, received only 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(spenders, change, words):
    asked = msgspec.structs.replace(CONFIG.values[0], **change)
    with pytest.raises(InputError, match=words):
        prepare(spenders, msgspec.structs.replace(CONFIG, values=(asked,)))
