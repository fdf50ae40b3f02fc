"""Questions are honest: what they teach of a silence is what a silence of that length means."""

import msgspec
import numpy as np
import pytest

from nearsight.cursor import Cursor
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight_training.config import LogConfig, Target
from nearsight_training.preparation import prepare
from nearsight_training.sequences import drawn
from nearsight_training.split import TEST, TRAIN, VALIDATION, plan
from training.conftest import DAY, make_log
from training.test_split import BUY, CONFIG, busy_log

MEAN_GAP_DAYS = 5
SOON = Target(name="soon", events=("buy",), within_seconds=3 * DAY)
CHANCE = 1 - np.exp(-3 / MEAN_GAP_DAYS)  # whoever buys at random has forgotten how long ago the last time was


@pytest.fixture(scope="module")
def random_buyers():
    """Customers who buy at random: after whatever silence, `CHANCE` is the answer."""
    generator = np.random.default_rng(0)
    histories = []
    for _ in range(2000):
        times = np.cumsum(generator.exponential(MEAN_GAP_DAYS * DAY, 60))
        histories.append([(time, "buy") for time in (0.0, *times[times < 100 * DAY].tolist())])
    return prepare(make_log(*histories), LogConfig(targets=(SOON,), min_users=1)).histories.select(TRAIN)


def silences(histories, questions):
    """The label of each question by how many days it lies behind its event."""
    days = (histories.ask_time - histories.times[histories.ask_events])[questions] / DAY
    return days, histories.ask_labels[questions, 0]


def test_a_silence_of_any_length_means_what_it_means(random_buyers):
    days, labels = silences(random_buyers, np.arange(len(random_buyers.ask_time)))
    for least, most in ((0, 0.25), (0.25, 1), (1, 2), (2, 4), (4, 8)):
        between = (days >= least) & (days < most)
        assert between.sum() > 1000
        assert labels[between].mean() == pytest.approx(CHANCE, abs=4 * 0.5 / np.sqrt(between.sum() / 4))


def test_what_an_epoch_draws_of_them_is_as_honest(random_buyers):
    """Drawing one for each event that has any would give .56 instead of .45 within the first six hours."""
    drawings = [drawn(random_buyers, np.random.default_rng(seed)) for seed in range(8)]
    days, labels = silences(random_buyers, np.concatenate([each[each >= 0] for each in drawings]))
    early = days < 0.25
    assert labels[early].mean() == pytest.approx(CHANCE, abs=0.03)


def test_every_question_has_the_same_chance_in_an_epoch(random_buyers):
    asked = np.zeros(len(random_buyers.ask_time))
    for seed in range(60):
        chosen = drawn(random_buyers, np.random.default_rng(seed))
        asked[chosen[chosen >= 0]] += 1
    beside = np.bincount(random_buyers.ask_events)[random_buyers.ask_events]
    for count in range(1, beside.max() + 1):
        assert asked[beside == count].mean() / 60 == pytest.approx(1 / beside.max(), rel=0.05)


@pytest.mark.parametrize(("split", "before"), [("user", 0.0), ("time", BUY.within_seconds)])
def test_a_cutoff_is_rehearsed_where_the_answer_is_known(split, before):
    """Training and validation users are asked at one moment too, whose horizon ends where they may look."""
    log, cutoff = busy_log(5), 20 * DAY
    config = msgspec.structs.replace(CONFIG, split=split, cutoff=cutoff)
    told, histories = plan(log, config), prepare(log, config).histories
    for part, moment in ((TRAIN, cutoff - before), (VALIDATION, cutoff - before), (TEST, cutoff)):
        asked = histories.select(part)
        there = asked.ask_time == moment
        assert there.sum() == (log.times[log.starts][told.users == part] <= moment).sum() > 0
        assert (asked.ask_labels[there] >= 0).all()


def test_a_questions_row_is_the_one_that_a_session_asks_with():
    prepared = prepare(busy_log(6), msgspec.structs.replace(CONFIG, split="user", cutoff=20 * DAY))
    histories, encoder = prepared.histories, Encoder(prepared.spec)
    assert {TRAIN, VALIDATION, TEST} == set(histories.split[histories.ask_history])
    for question in range(0, len(histories.ask_time), 7):
        start, cursor = histories.starts[histories.ask_history[question]], Cursor()
        for time in histories.times[start : start + histories.ask_after[question]].tolist():
            cursor.advance(time)
        codes, numbers = encoder.now(float(histories.ask_time[question]), cursor)
        assert np.array_equal(histories.ask_codes[question], codes[0])
        assert np.array_equal(histories.ask_numbers[question], numbers[0])


def test_an_event_at_the_cutoff_itself_comes_before_the_question():
    log = make_log(
        *[[(0.0, "look"), (20 * DAY, "buy"), ((21 + k % 9) * DAY, "buy"), (40 * DAY, "buy")] for k in range(60)]
    )
    histories = prepare(log, msgspec.structs.replace(CONFIG, split="user", cutoff=20 * DAY)).histories.select(TEST)
    assert len(histories) > 5
    assert set(histories.ask_after.tolist()) == {2}
    assert set(histories.lengths.tolist()) == {2}


def test_one_answer_only_at_the_cutoff_is_refused():
    """Both answers among the prefixes don't help where the test asks at one moment."""
    times = [0, 1, 2, 6, 10]
    log = make_log(*[[(day * DAY, "buy") for day in (*times, 30)] for _ in range(60)])
    config = msgspec.structs.replace(CONFIG, split="user", cutoff=15 * DAY)
    with pytest.raises(InputError, match=r"both answers in the validation part, received .* all of them no"):
        prepare(log, config)


def test_users_with_one_event_each_have_no_next_event():
    """There is nothing to learn from, and a head without a single example would come out as not-a-number."""
    log = make_log(*[[(day * DAY, ("buy", "look")[day % 2])] for day in range(40)] * 5)
    with pytest.raises(InputError, match=r"nothing to learn: .* users who have more than one"):
        prepare(log, msgspec.structs.replace(CONFIG, targets=()))
