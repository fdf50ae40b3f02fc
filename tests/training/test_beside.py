"""Segments, habits and the alarm: planted kinds of users are found, planted strangers are flagged, few are nobody."""

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

from nearsight.backends.reference import NumpyBackend
from nearsight.heads import calibrated
from nearsight.insight import Insight
from nearsight.manifest import Manifest
from nearsight.profile import Tally
from nearsight.segment import Segments
from nearsight.session import Model
from nearsight.spec import Category, Clock, Number, Spec
from nearsight.surprise import WINDOW
from nearsight_training.alarm import rolling, taken_over
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Size
from nearsight_training.habits import Difference, average, distinct
from nearsight_training.metrics import Interval
from nearsight_training.rates import rate
from nearsight_training.run import load_histories, load_run, load_weights
from nearsight_training.segments import LEAST_USERS, _names, clusters, folded, named, told_apart
from nearsight_training.train import train_log

DAY = 86400.0
MONDAY = 1_704_067_200.0
TIME = Number(name="time", low=0.0, high=1e9, log=True)
SPEC = Spec(event=Category(name="event", vocabulary=("look", "buy")), clock=Clock(gap=TIME, age=TIME, hour=True))


def two_kinds(users, seed):
    """Buyers go through look, pick, buy every evening; browsers look and search in the mornings, days apart."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        buys = user % 2 == 0
        now = MONDAY + rng.integers(0, 30) * DAY + (19 if buys else 8) * 3600 + rng.uniform(0, 3600)
        for _ in range(rng.integers(3, 7)):
            names = ("look", "pick", "buy") if buys else ("look", "search", "look")
            names = [name if rng.random() > 0.01 else "help" for name in names]
            rows += [(f"{'b' if buys else 'w'}{user:04}", now + 60 * k, name) for k, name in enumerate(names)]
            now += (1 if buys else rng.integers(4, 9)) * DAY
    return Table("kinds", pl.DataFrame(rows, ["user", "time", "event"], orient="row"), 1)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    path = tmp_path_factory.mktemp("kinds") / "run"
    fitting = Fitting(epochs=8, learning_rate=2e-2, dropout=0.0, teach=False, batch_events=512)
    config = LogConfig(split="user", validation_share=0.3, size=Size(filters=12, units=16), fitting=fitting)
    return train_log(two_kinds(500, 3), config, path), path


@pytest.fixture(scope="module")
def insight(kinds):
    run, path = kinds
    manifest = Manifest(
        name="kinds",
        model="kinds",
        created="",
        spec=run.spec,
        trunk=run.trunk,
        heads=run.heads,
        window=run.window,
        members={},
        segments=run.beside.segmentation.segments,
        average=run.beside.average,
        alarm=run.beside.vigilance.alarm,
    )
    weights = calibrated(load_weights(path), run.heads)
    return Insight(manifest, Model(NumpyBackend(weights, run.trunk), manifest))


def events_of(histories, user):
    span = histories.span(user)
    return list(zip(histories.names[span].tolist(), histories.times[span].tolist(), strict=True))


def watched(insight, events):
    session = insight.session()
    return [session.observe(name, time) for name, time in events], session


def test_planted_kinds_of_users_are_found_and_told_apart_on_the_device(kinds, insight):
    run, path = kinds
    test = load_histories(path).select(2)
    readings = insight.score_many([events_of(test, user) for user in range(len(test))])
    evening = test.times[test.starts] // 3600 % 24 > 12
    homes = {name: evening[[each == name for each in readings.segments]] for name in set(readings.segments)}
    assert all(min(kind.mean(), 1 - kind.mean()) < 0.05 for kind in homes.values())
    assert {bool(round(kind.mean())) for kind in homes.values()} == {True, False}
    assert run.beside.segmentation.stability > 0.5


def test_segments_are_named_by_what_sets_them_apart(kinds):
    run, _ = kinds
    found = run.beside.segmentation
    words = " ".join(segment.name + " ".join(segment.traits) for segment in found.segments)
    assert "buy" in words or "pick" in words or "search" in words
    assert len({segment.name for segment in found.segments}) == len(found.segments)
    assert sum(segment.share for segment in found.segments) == pytest.approx(1, abs=1e-4)
    assert min(found.users) >= LEAST_USERS
    assert [*found.users] == sorted(found.users, reverse=True)
    assert sum(found.test_shares) == pytest.approx(1)


def test_the_run_remembers_them(kinds):
    run, path = kinds
    assert load_run(path).beside == run.beside


def test_ordinary_users_are_flagged_about_as_often_as_stated_and_strangers_far_above(kinds, insight):
    """Test users as they are, buyers in shuffled order, and users who at half of the way do what hardly anyone does."""
    run, path = kinds
    test = load_histories(path).select(2)
    rng = np.random.default_rng(0)
    users = [events_of(test, user) for user in range(len(test))]

    def flagged(histories):
        return np.mean([any(reading.unusual for reading in watched(insight, events)[0]) for events in histories])

    def renamed(events, names):
        return [(name, time) for (_, time), name in zip(events, names, strict=True)]

    buyers = [events for events in users if "buy" in {name for name, _ in events}]
    shuffled = [renamed(events, rng.permutation([name for name, _ in events]).tolist()) for events in buyers]
    foreign = [
        renamed(events, [name for name, _ in events[: len(events) // 2]] + ["help"] * (len(events) - len(events) // 2))
        for events in users
    ]
    ordinary = flagged(users)
    assert ordinary == pytest.approx(run.beside.vigilance.flagged.value, abs=0.01)
    assert ordinary < 0.05
    assert flagged(shuffled) > 0.5
    assert flagged(foreign) > 0.9
    # half of the take-overs are by a user of the same kind, which is nothing unusual
    assert run.beside.vigilance.caught.value > ordinary


def test_profiles_compare_with_the_average_training_user(kinds, insight):
    run, path = kinds
    test = load_histories(path).select(2)
    buyer = next(user for user in range(len(test)) if test.times[test.starts[user]] // 3600 % 24 > 12)
    profile = watched(insight, events_of(test, buyer))[1].profile()
    assert profile.parts["evening"].value == 1.0
    assert profile.parts["evening"].average == pytest.approx(0.5, abs=0.1)
    assert profile.between_seconds.value < profile.between_seconds.average
    assert "evening" in str(profile)
    assert sum(run.beside.average.events) == pytest.approx(1, abs=1e-4)


def test_with_few_users_nothing_about_them_ships(tmp_path):
    config = LogConfig(split="user", min_users=2, size=Size(filters=4, units=4), fitting=Fitting(epochs=1, teach=False))
    run = train_log(two_kinds(50, 1), config, tmp_path / "run")
    assert run.beside.segmentation is None
    assert run.beside.vigilance is None
    assert any(note.startswith("no segments") for note in run.notes)
    assert any(note.startswith("no alarm") for note in run.notes)


def test_a_cluster_of_few_users_is_none():
    """Nineteen users far away from all others: every number of clusters gives them one of their own."""
    rng = np.random.default_rng(0)
    near, far = rng.normal(0, 0.01, (500, 2)), rng.normal(50, 0.01, (LEAST_USERS - 1, 2))
    assert clusters(np.concatenate([near, far]).astype(np.float32), 1) is None
    two = np.concatenate([rng.normal(place, 0.1, (LEAST_USERS + 5, 2)) for place in (0, 5)]).astype(np.float32)
    assert np.bincount(clusters(two, 1).places).tolist() == [LEAST_USERS + 5] * 2
    blobs = [rng.normal(place, 0.1, (LEAST_USERS + 5, 2)) for place in (0, 5, 10)]
    found = clusters(np.concatenate(blobs).astype(np.float32), 1)
    assert np.bincount(found.places).tolist() == [LEAST_USERS + 5] * 3
    assert found.stability == pytest.approx(1)


def test_folded_centres_assign_as_the_distance_does():
    rng = np.random.default_rng(1)
    embeddings = (rng.normal(0, 1, (300, 5)) * [1, 10, 0.1, 1, 0] + 3).astype(np.float32)
    places = rng.integers(0, 3, 300)
    weights, offsets = folded(embeddings, places)
    spread = np.where(embeddings.std(0) > 0, embeddings.std(0), 1)
    points = (embeddings - embeddings.mean(0)) / spread
    centres = np.stack([points[places == place].mean(0) for place in range(3)])
    nearest = np.argmin(((points[:, None] - centres) ** 2).sum(2), axis=1)
    assert np.array_equal((embeddings @ weights.T + offsets).argmax(1), nearest)


def tally(*events):
    found = Tally()
    for code, time in events:
        found.add(code, time)
    return found


def test_what_sets_a_group_apart_by_hand():
    """Ten users look once; ten buy on five evenings."""
    lookers = [tally((1, MONDAY + 9 * 3600)) for _ in range(10)]
    buyers = [tally(*((2, MONDAY + day * DAY + 20 * 3600) for day in range(5))) for _ in range(10)]
    first, second = distinct([*lookers, *buyers], SPEC, np.repeat([0, 1], 10))
    assert {each.words for each in first} >= {"often look", "seldom buy", "few events", "came once"}
    assert {each.words for each in second} >= {"often buy", "many events", "comes back", "often in the evening"}
    assert "buy: 100 % of events (all users 50 %)" in {each.sentence for each in second}
    assert average([*lookers, *buyers], SPEC).between_seconds == pytest.approx(DAY)
    assert average([*lookers, *buyers], SPEC).events == (0.0, 0.5, 0.5)


def test_of_two_numbers_of_clusters_the_one_is_taken_whose_clusters_differ_in_what_users_do():
    """Four blobs lie best apart, but two of them do the same: three segments are left."""
    rng = np.random.default_rng(0)
    blobs = [rng.normal(place, 0.1, (30, 1)) for place in (0, 4, 10, 20)]
    embeddings = np.concatenate(blobs).astype(np.float32)
    kinds = [[(1, MONDAY)], [(1, MONDAY)], [(2, MONDAY)], [(2, MONDAY), (2, MONDAY + DAY)]]
    tallied = [tally(*events) for events in kinds for _ in range(30)]
    assert np.bincount(clusters(embeddings, 1).places).tolist() == [30] * 4
    found = clusters(embeddings, 1, partial(told_apart, tallied, SPEC))
    assert np.bincount(found.places).tolist() == [60, 30, 30]
    assert not any(segment.name.endswith(")") for segment in named(found, embeddings, tallied, SPEC))


def test_the_same_traits_in_another_order_are_the_same_name():
    def traits(*words):
        return [Difference(topic=each, words=each, sentence="", deviations=1.0) for each in words]

    told = [traits("many events", "comes back"), traits("comes back", "many events", "mostly buys")]
    assert _names(told) == ["many events, comes back", "comes back, many events, mostly buys"]
    assert _names([traits("often", "late"), traits("late", "often")]) == ["often, late", "late, often (2)"]


def test_equal_names_get_another_trait_or_a_number():
    """Three groups of alike users: there is nothing to tell them apart by but a number."""
    rng = np.random.default_rng(0)
    embeddings = np.concatenate([rng.normal(place, 0.1, (25, 2)) for place in (0, 5, 10)]).astype(np.float32)
    segments = named(clusters(embeddings, 1), embeddings, [tally((1, MONDAY))] * 75, SPEC)
    assert [segment.name for segment in segments] == ["average", "average (2)", "average (3)"]
    assert (
        Segments(segments).places(embeddings).tolist()
        == np.repeat(Segments(segments).places(embeddings[::25]), 25).tolist()
    )


def test_rolling_by_hand():
    excess = np.array([0.0, 6.0, 2.0, 0.0, 4.0])
    assert rolling(excess, np.array([0, 1, 2, 0, 1])) == pytest.approx([0, 6 / 4, 8 / 5, 0, 1.0])
    long = rolling(np.arange(20.0), np.arange(20))
    assert long[-1] == pytest.approx(np.arange(10, 20).sum() / (WINDOW + 3))


def test_where_all_agree_the_interval_is_the_exact_binomials():
    """scipy.stats.binomtest(0, 30).proportion_ci().high is 0.1157."""
    users = np.repeat(np.arange(30), 2)
    assert rate(np.zeros(60, bool), users) == Interval(0.0, 0.0, pytest.approx(0.1157, abs=1e-4))
    assert rate(np.ones(60, bool), users) == Interval(1.0, pytest.approx(0.8843, abs=1e-4), 1.0)
    assert rate(users < 10, users).value == pytest.approx(1 / 3)


def test_a_taken_over_history_is_half_anothers(kinds):
    _, path = kinds
    test = load_histories(path).select(2)
    test = replace(test, numbers=np.repeat(test.owners[:, None], test.numbers.shape[1], 1).astype(np.float32))
    taken = taken_over(test, 1)
    for user in range(len(taken)):
        owners = np.unique(taken.numbers[taken.span(user), 0])
        assert len(owners) == 2
