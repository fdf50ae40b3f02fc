"""Who is hurt by compression: groups of users, their losses beside a count by hand, and what may be said of them."""

import dataclasses
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from nearsight.heads import BinaryHead
from nearsight.spec import Category, Groups
from nearsight_export.exam import Paper
from nearsight_export.fairness import hurt, worst
from nearsight_export.groups import Parting, costs, partings, simultaneous
from nearsight_export.replay import Replay, replayed
from nearsight_training.beside import Beside

HEAD = BinaryHead(name="buys", start=0, events=("purchase",), within_seconds=1.0, threshold=0.5)
USERS = 1200


def replay(chances):
    """A replay that holds answers alone, one for each user."""
    empty = np.zeros((0, 1), np.float32)
    return Replay(chances.astype(np.float32)[:, None], empty, empty, empty, empty)


@pytest.fixture(scope="module")
def people():
    """An exam of one decision a user, and what a good network answers."""
    rng = np.random.default_rng(3)
    chances = rng.beta(1.2, 1.2, USERS)
    paper = Paper(HEAD, np.arange(USERS), (rng.random(USERS) < chances).astype(np.int8), np.arange(USERS))
    return SimpleNamespace(papers=(paper,)), chances


def harmed(chances, users, by, seed=5):
    """The same answers with those of some users disturbed."""
    logits = np.log(chances / (1 - chances))
    logits[users] += np.random.default_rng(seed).normal(0, by, len(users))
    return 1 / (1 + np.exp(-logits))


def found(people, places, after, names=("few", "many")):
    exam, chances = people
    return list(costs(exam, [Parting(names, places)], replay(chances), replay(after)))


def test_figures_are_those_of_scikit_learn(people):
    exam, chances = people
    places = (np.arange(USERS) >= 400).astype(np.int64)
    after = harmed(chances, np.arange(USERS), 0.3)
    few, many = found(people, places, after)
    labels, before, after = exam.papers[0].labels, chances.astype(np.float32), after.astype(np.float32)
    lost = []
    for figures, inside in ((few, places == 0), (many, places == 1)):
        lost.append(roc_auc_score(labels[inside], before[inside]) - roc_auc_score(labels[inside], after[inside]))
        nats = log_loss(labels[inside], after[inside]) - log_loss(labels[inside], before[inside])
        assert figures.lost_auc.value == pytest.approx(lost[-1], abs=1e-9)
        assert figures.lost_nats.value == pytest.approx(nats, abs=1e-6)
        assert figures.flipped == ((before[inside] >= 0.5) != (after[inside] >= 0.5)).mean()
        assert figures.users == np.count_nonzero(inside)
    average = (400 * lost[0] + 800 * lost[1]) / USERS
    assert few.more_auc.value == pytest.approx(lost[0] - average, abs=1e-9)
    assert many.more_auc.value == pytest.approx(lost[1] - average, abs=1e-9)


def test_a_minority_that_is_hurt_is_named(people):
    """The answers for a third of the users are disturbed, the others' are as they were."""
    _, chances = people
    places = (np.arange(USERS) >= 400).astype(np.int64)
    figures = found(people, places, harmed(chances, np.arange(400), 1.5))
    few, many = figures
    assert few.more_auc.low > 0 > many.more_auc.high
    assert many.lost_auc.value == many.lost_auc.high == 0.0
    sentences = list(worst(figures))
    assert sentences == list(hurt(figures))
    assert sentences[0].startswith(
        "compression hurts some users more than others in buys: of 'few' (400 users), the AUC"
    )
    assert f"groups change by {-few.lost_auc.value / 3:+.4f} on average" in sentences[0]
    assert sentences[1].startswith("compression makes probabilities of buys worse for some users")


def test_equal_harm_is_not_called_unequal(people):
    """At most 5 % of partings at random may name a group; of 20 that is at most 3 in 98 % of cases."""
    _, chances = people
    after, rng = harmed(chances, np.arange(USERS), 0.5), np.random.default_rng(1)
    named = [any(hurt(found(people, rng.integers(0, 2, USERS), after))) for _ in range(20)]
    assert sum(named) <= 3


def test_the_sentence_without_anybody_hurt_names_the_worst(people):
    _, chances = people
    places = (np.arange(USERS) >= 600).astype(np.int64)
    figures = found(people, places, harmed(chances, np.arange(USERS), 0.2))
    (sentence,) = worst(figures)
    name = max(figures, key=lambda each: each.lost_auc.value).group
    assert sentence.startswith(
        f"no group of users is seen to lose more than the others in buys; of the one that loses most, '{name}'"
    )


def test_nothing_is_said_of_small_groups(people):
    """A group with fewer than 100 users of either answer isn't told, nor is one that is left alone."""
    _, chances = people
    after = harmed(chances, np.arange(USERS), 0.5)
    places = np.select([np.arange(USERS) < 100, np.arange(USERS) < 600], [0, 1], 2)
    told = found(people, places, after, ("few", "some", "many"))
    assert [figures.group for figures in told] == ["some", "many"]
    assert found(people, (np.arange(USERS) >= 100).astype(np.int64), after) == []
    assert list(worst(())) == []


def test_simultaneous_intervals_hold_together():
    """For independent normal figures the largest of ten deviations is below 2.8 standard errors in 95 % of cases."""
    values, drawn = np.zeros(10), np.random.default_rng(0).normal(0, 1, (4000, 10)) * np.arange(1, 11)
    for place, interval in enumerate(simultaneous(values, drawn), 1):
        assert interval.value == 0.0
        assert interval.high == -interval.low == pytest.approx(2.8 * place, rel=0.05)
    assert simultaneous(values, np.zeros((5, 10)))[3].high == 0.0


def test_users_are_parted_by_length_and_by_fields_of_few_values(made):
    """The made-up histories have devices and no segments."""
    histories = made.exam.histories
    before = replayed(made.exam.reference, made.run.trunk, histories)
    by_length, device, *others = partings(made.run.spec, Beside(), histories, before)
    counts = np.bincount(by_length.places, minlength=len(by_length.names))
    assert len(counts) == 4
    assert counts.sum() == len(histories)
    assert counts.min() >= len(histories) // 5
    for name, place in zip(by_length.names, range(4), strict=True):
        inside = histories.lengths[by_length.places == place]
        words = name.split()
        assert inside.min() >= int(words[0])
        assert words[1:3] == ["events", "or"] or inside.max() <= int(words[2] if words[1] == "to" else words[0])
    assert device.names == ("device unknown", *(f"device {value}" for value in made.run.spec.categories[0].vocabulary))
    ends = histories.starts + histories.lengths - 1
    assert [device.names[place] for place in device.places] == [
        f"device {value}" if f"device {value}" in device.names else "device unknown"
        for value in histories.fields["device"][ends].tolist()
    ]
    assert len(others) == len(made.run.spec.groups)


def test_groups_of_numbers_have_their_edges_as_names(made):
    histories = made.exam.histories
    histories = dataclasses.replace(histories, codes=np.c_[histories.codes[:, :1], histories.codes[:, 1:2] % 4])
    before = replayed(made.exam.reference, made.run.trunk, made.exam.histories)
    spec = msgspec.structs.replace(made.run.spec, categories=(), groups=(Groups(name="age", edges=(18.0, 65.0)),))
    _, age = partings(spec, Beside(), histories, before)
    assert age.names == ("age unknown", "age below 18", "age from 18 to 65", "age from 65")
    many = Category(name="town", vocabulary=tuple(map(str, range(9))))
    assert len(partings(msgspec.structs.replace(spec, categories=(many,), groups=()), Beside(), histories, before)) == 1
