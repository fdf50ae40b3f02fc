"""A planted column that knows the future is refused by its name; an honest one isn't."""

import msgspec
import numpy as np
import pytest

from nearsight.errors import InputError
from nearsight_training.config import LogConfig, Target
from nearsight_training.labels import event_labels
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
