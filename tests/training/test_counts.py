"""Counted events: what is learned of them, from whom, and that a count which alone tells the answer is heard."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nearsight.cursor import Cursor, segment_starts
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.spec import Reset
from nearsight_training import alarm
from nearsight_training.ablation import Asked, shuffled
from nearsight_training.augmentation import Augmenter
from nearsight_training.config import Augmentation, Fitting, LogConfig, Size, Target
from nearsight_training.counts import recounted
from nearsight_training.declaration import read_declaration
from nearsight_training.learning import learn
from nearsight_training.preparation import prepare
from nearsight_training.specification import fit_spec
from nearsight_training.split import TEST, TRAIN, VALIDATION
from training.conftest import DAY, make_log

RESETS = [Reset(), Reset(gap_seconds=DAY), Reset(max_events=3)]
CONFIG = LogConfig(
    targets=(Target(name="buys", events=("buy",), within_seconds=2 * DAY),),
    split="user",
    validation_share=0.3,
    asks=2,
    counts=("buy", "look"),
)


def busy(users=60):
    generator = np.random.default_rng(8)
    histories = []
    for _ in range(users):
        times = 1e9 + np.cumsum(generator.exponential(DAY, int(generator.integers(1, 12))))
        histories.append([(time, str(generator.choice(["look", "ask", "buy"]))) for time in times.tolist()])
    return make_log(*histories)


@pytest.fixture(scope="module", params=RESETS, ids=["never", "gap", "events"])
def prepared(request):
    return prepare(busy(), msgspec.structs.replace(CONFIG, reset=request.param))


def test_the_scale_is_that_of_the_training_users_alone():
    """Counts of the first user's looks are 1, 1, 2 and 3; the second user, who looks all day, isn't seen."""
    log = make_log([(0, "look"), (1, "ask"), (2, "look"), (3, "look")], [(k, "look") for k in range(90)])
    spec, notes = fit_spec(log, log.owners == 0, 1, counts=("look", "look"))
    (number,) = spec.counts
    logarithms = np.log1p([1, 1, 2, 3])
    assert (number.name, number.low, number.high, number.log) == ("look", 0.0, 3.0, True)
    assert (number.mean, number.scale) == pytest.approx((logarithms.mean(), 1 / logarithms.std()))
    assert notes == ("counts so far that the model sees: look (up to 3)",)


def test_a_count_is_that_since_the_history_began_anew():
    log = make_log([(k, "look") for k in range(7)])
    spec, _ = fit_spec(log, np.ones(7, bool), 1, Reset(max_events=3), counts=("look",))
    assert spec.counts[0].high == 3.0
    alone, _ = fit_spec(log, np.ones(7, bool), 1, Reset(max_events=1), counts=("look",))
    assert (alone.counts[0].high, alone.counts[0].scale) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("purchas", "of events that the log has, received 'purchas': did you mean 'purchase'?"),
        ("zzz", "of events that the log has, received 'zzz': it has view, cart, purchase"),
        ("purchases", "at least 2 training users had, received 'purchases': choose 'purchase', or pass a smaller"),
        ("x", "at least 2 training users had, received 'x': choose among view, cart, purchase, or pass a smaller"),
    ],
)
def test_an_event_that_cannot_be_counted_is_refused_with_the_nearest_that_can(name, words):
    """Of three users one alone is refunded several purchases, and does x."""
    common = [(0, "view"), (1, "purchase")]
    log = make_log([*common, (2, "purchases"), (3, "x")], [*common, (2, "cart")], [(0, "view"), (2, "cart")])
    with pytest.raises(InputError) as refused:
        fit_spec(log, np.ones(len(log.times), bool), 2, counts=("view", name))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_counts_are_declared_in_a_file(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text('[log]\ncounts = ["purchase", "add_to_cart"]\n')
    assert read_declaration(path).config() == LogConfig(counts=("purchase", "add_to_cart"))
    path.write_text('[log]\nuser = "u"\ncounts = "purchase"\n')
    with pytest.raises(InputError, match="line 3"):
        read_declaration(path)
    path.write_text('[log]\ncount = ["purchase"]\n')
    with pytest.raises(InputError, match="did you mean 'counts'"):
        read_declaration(path)


def test_without_counts_nothing_of_a_row_changes():
    log = busy()
    bare, counted = (prepare(log, msgspec.structs.replace(CONFIG, counts=each)) for each in ((), CONFIG.counts))
    columns = counted.spec.count_columns
    assert bare.spec == msgspec.structs.replace(counted.spec, counts=())
    assert np.array_equal(np.delete(counted.histories.numbers, columns, 1), bare.histories.numbers)
    assert np.array_equal(np.delete(counted.histories.ask_numbers, columns, 1), bare.histories.ask_numbers)


def test_rows_and_questions_are_those_of_a_session(prepared):
    histories, encoder = prepared.histories, Encoder(prepared.spec)
    for history in range(0, len(histories), 3):
        span, cursor = histories.span(history), Cursor()
        for event in range(span.start, span.stop):
            cursor = Cursor() if histories.fresh[event] else cursor
            codes, numbers = encoder.event(histories.names[event], float(histories.times[event]), {}, cursor)
            code = int(codes[0, 0])
            cursor.advance(float(histories.times[event]), code if code in encoder.counted else None)
            assert np.array_equal(histories.numbers[event], numbers[0])
            for question in np.flatnonzero(histories.ask_events == event):
                asked = encoder.now(float(histories.ask_time[question]), cursor)[1]
                assert np.array_equal(histories.ask_numbers[question], asked[0])


def test_a_row_looks_at_no_later_one(prepared):
    """Histories that end earlier have the same rows and questions until then."""
    reset, log = prepared.spec.reset, busy()
    whole = prepared.histories
    cut = np.maximum(log.lengths // 2, 1)
    kept = whole.positions < np.repeat(cut, log.lengths)
    starts = (np.cumsum(cut) - cut).astype(np.int64)
    begins = segment_starts(reset, log.times[kept], starts, int(kept.sum()))
    rows = Encoder(prepared.spec).columns(log.names[kept], log.times[kept], {}, begins)
    assert rows[0].tobytes() == whole.codes[kept].tobytes()
    assert rows[1].tobytes() == whole.numbers[kept].tobytes()


def test_counting_again_what_has_not_moved_changes_nothing(prepared):
    again = recounted(prepared.histories, prepared.spec)
    assert np.array_equal(again.numbers, prepared.histories.numbers)
    assert np.array_equal(again.ask_numbers, prepared.histories.ask_numbers)
    broken = replace(prepared.histories, numbers=prepared.histories.numbers + 1)
    columns = prepared.spec.count_columns
    assert np.array_equal(recounted(broken, prepared.spec).numbers[:, columns], again.numbers[:, columns])


def test_a_varied_history_is_counted_as_a_device_would_that_never_saw_the_rest(prepared):
    training = prepared.histories.select(TRAIN)
    varied = Augmenter(prepared.spec, Augmentation(event_dropout=0.4, time_jitter=0.1))
    found = varied(training, np.random.default_rng(0))
    encoder = Encoder(prepared.spec)
    columns = prepared.spec.count_columns
    numbers = encoder.columns(found.names, found.times, {}, np.flatnonzero(found.fresh))[1]
    assert np.array_equal(found.numbers[:, columns], numbers[:, columns])
    assert np.array_equal(found.ask_numbers[:, columns], numbers[found.ask_events, columns])
    assert not np.array_equal(found.numbers[:, columns], training.numbers[:, columns][: len(found.numbers)])


def test_a_shuffled_past_ends_with_the_same_counts(prepared):
    """What is counted doesn't depend on the order, and no row betrays what the order was."""
    histories = prepared.histories
    asked = Asked(np.arange(0, len(histories.codes), 4), np.arange(0, len(histories.ask_time), 5))
    found = shuffled(histories, asked, prepared.spec, seed=0)
    columns, ends = prepared.spec.count_columns, found.starts + found.lengths - 1
    last = np.concatenate([asked.events, histories.ask_events[asked.asks]])
    assert np.array_equal(found.numbers[ends, columns], histories.numbers[last, columns])
    rows = Encoder(prepared.spec).columns(found.names, found.times, {}, found.starts)[1]
    assert np.array_equal(found.numbers[:, columns], rows[:, columns])


def test_a_history_that_was_taken_over_is_counted_on(monkeypatch):
    """The device of the first user counts on when another one takes its place."""
    seen = []
    monkeypatch.setattr(alarm, "_highest", lambda _, __, histories: seen.append(histories) or np.zeros(len(histories)))
    prepared = prepare(busy(400), CONFIG)
    validation, test = (prepared.histories.select(part) for part in (VALIDATION, TEST))
    assert alarm.vigilance(None, None, prepared.spec, validation, test, 0).caught.value == 0
    taken = seen[-1]
    rows = Encoder(prepared.spec).columns(taken.names, taken.times, {}, np.flatnonzero(taken.fresh))[1]
    columns = prepared.spec.count_columns
    assert len(taken) > 10
    assert np.array_equal(taken.numbers[:, columns], rows[:, columns])


def rewarded(users=500):
    """Users who look and visit at random, at a pace of their own, and buy right after their fifth visit."""
    generator = np.random.default_rng(5)
    histories = []
    for _ in range(users):
        share, events, now = generator.uniform(0.2, 0.8), [], 1e9
        names = np.where(generator.random(25) < share, "visit", "look").tolist()
        for name in names[: int(generator.integers(6, 25))]:
            now += float(np.exp(generator.normal(8, 2)))
            events.append((now, name))
            if [name for _, name in events].count("visit") == 5:
                events.append((now + 60.0, "buy"))
                break
        histories.append(events)
    return make_log(*histories)


def test_a_network_without_memory_of_order_hears_a_count_that_tells_the_answer():
    """It reads the newest row and the mean of all, from which five visits are hard to tell."""
    log, found = rewarded(), {}
    for counts in ((), ("visit",)):
        config = LogConfig(
            targets=(Target(name="buys", events=("buy",), within_events=1),),
            split="user",
            asks=0,
            counts=counts,
            next_event=False,
            size=Size(network="mlp", filters=8, units=8),
            fitting=Fitting(epochs=16, batch_events=256, learning_rate=2e-2, teach=False, dropout=0.0),
        )
        found[counts] = learn(prepare(log, config), config).metrics["buys"]
    assert found["visit",]["auc"].low > found[()]["auc"].high
    assert found["visit",]["log_loss"].value < 0.5 * found[()]["log_loss"].value
