"""A planted column that knows the future is refused by its name; an honest one isn't."""

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight_training.config import LogConfig, Target
from nearsight_training.labels import event_labels
from nearsight_training.leakage import _by_number
from nearsight_training.metrics import auc
from nearsight_training.preparation import prepare
from training.conftest import DAY, make_log

BUYS = Target(name="buys", events=("buy",), within_seconds=3 * DAY)
CONFIG = LogConfig(targets=(BUYS,), split="user", min_users=1, test_share=0.3, validation_share=0.2)


def shop(field=None, seed=0):
    """200 users who look and buy at random; `field(log, answers, generator)` adds a column `told`."""
    generator = np.random.default_rng(seed)
    histories = []
    for _ in range(200):
        times = np.sort(generator.uniform(0, 40 * DAY, generator.integers(4, 15))).tolist()
        histories.append([(time, str(generator.choice(["buy", "look"], p=[0.3, 0.7]))) for time in times])
    log = make_log(*histories)
    if field is None:
        return log
    answers = event_labels(log, BUYS, np.full(len(log.times), 40 * DAY))
    return make_log(*histories, fields={"told": field(log, answers, generator)})


def filled_afterwards(log, answers, generator):
    """The order's value, joined to the rows before it."""
    return np.where(answers == 1, generator.uniform(5, 50, len(answers)), np.nan)


def written_down(log, answers, generator):
    return np.where(answers == 1, "converted", np.where(generator.random(len(answers)) < 0.5, "open", "lost"))


def ranked(log, answers, generator):
    """A score that somebody worked out when the outcome was known."""
    return answers + generator.normal(0, 0.1, len(answers))


def told_by_its_absence(log, answers, generator):
    return np.where(answers == 1, np.nan, generator.uniform(5, 50, len(answers)))


LEAKS = [filled_afterwards, written_down, ranked, told_by_its_absence]


@pytest.mark.parametrize("field", LEAKS)
def test_a_column_that_was_filled_after_the_outcome_is_refused_by_name(field):
    with pytest.raises(InputError, match=r"column 'told' alone answers 'buys' \(AUC (0\.99|1\.0)"):
        prepare(shop(field), CONFIG)


@pytest.mark.parametrize("field", LEAKS)
def test_whoever_knows_better_may_trust_it(field):
    prepared = prepare(shop(field), msgspec.structs.replace(CONFIG, trusted=("told",)))
    assert prepared.spec.fields == ("told",)


def noise(log, answers, generator):
    return generator.normal(size=len(answers))


def helpful(log, answers, generator):
    """A good feature: AUC of about 0.9."""
    return answers + generator.normal(0, 0.55, len(answers))


def a_name_of_its_own(log, answers, generator):
    """A label for each row: it answers everything of the users that it was counted on, and nothing of others."""
    return np.array([f"row {row}" for row in range(len(answers))])


@pytest.mark.parametrize("field", [noise, helpful, a_name_of_its_own])
def test_an_honest_column_passes(field):
    assert prepare(shop(field), CONFIG).histories.labels.size


def test_a_handful_of_users_proves_nothing():
    log = shop(filled_afterwards)
    few = msgspec.structs.replace(CONFIG, test_share=0.6, validation_share=0.33)
    assert prepare(log, few).spec.fields == ("told",)


def joined(log, answers, generator):
    """Who buys at all, as a table of customers has it, in all rows of a user."""
    buyers = np.logical_or.reduceat(log.names == "buy", log.starts)
    return np.where(np.repeat(buyers, log.lengths), generator.choice(["gold", "blue"]), "")


def shop_of_few_buyers(field, seed=0):
    """200 users of whom a third ever buys, after at least one look."""
    generator = np.random.default_rng(seed)
    histories = []
    for user in range(200):
        times = np.sort(generator.uniform(0, 40 * DAY, generator.integers(4, 15))).tolist()
        names = ["look", *generator.choice(["buy", "look"], len(times) - 1, p=[0.3, 0.7] if user % 3 == 0 else [0, 1])]
        histories.append(list(zip(times, map(str, names), strict=True)))
    log = make_log(*histories)
    return make_log(*histories, fields={"told": field(log, None, generator)})


def test_a_column_that_was_joined_from_the_outcome_is_refused_by_name():
    """Alone it doesn't answer when they buy, but it tells who ever will."""
    log = shop_of_few_buyers(joined)
    with pytest.raises(InputError, match="column 'told' is the same in all of a user's rows and filled only for users"):
        prepare(log, CONFIG)
    assert prepare(log, msgspec.structs.replace(CONFIG, trusted=("told",))).spec.fields == ("told",)


def known_of_many(log, answers, generator):
    """Filled for half of everybody, whatever they do."""
    return np.repeat(np.where(generator.random(len(log.users)) < 0.5, "gold", ""), log.lengths)


def known_with_the_event(log, answers, generator):
    return np.where(log.names == "buy", "card", "")


@pytest.mark.parametrize("field", [known_of_many, known_with_the_event])
def test_a_column_that_is_filled_for_others_too_or_with_the_event_alone_passes(field):
    assert prepare(shop_of_few_buyers(field), CONFIG).histories.labels.size


@given(st.lists(st.tuples(st.sampled_from([np.nan, 0.0, 1.0, 2.0, 3.0]), st.integers(0, 1)), min_size=2))
def test_a_number_tells_as_much_as_the_best_of_three_ways_to_rank_it(pairs):
    values, labels = np.array([value for value, _ in pairs]), np.array([label for _, label in pairs], np.int8)
    assume(0 < labels.sum() < len(labels))
    missing = np.isnan(values)
    ways = [missing.astype(float), np.where(missing, np.inf, values), np.where(missing, -np.inf, values)]
    found = [auc(labels, each) for each in ways]
    assert _by_number(values, labels) == pytest.approx(max(max(each, 1 - each) for each in found))
