from dataclasses import replace

import numpy as np
import pytest

from nearsight_benchmarks.samples import sample, windows
from nearsight_training.histories import Histories
from nearsight_training.peers import features_of
from nearsight_training.questions import features, pasts, questions

LENGTHS = (3, 1, 6)


@pytest.fixture
def histories():
    size = sum(LENGTHS)
    every = np.arange(size)
    return Histories(
        codes=every[:, None].astype(np.int32),
        numbers=every[:, None].astype(np.float32),
        starts=np.array([0, 3, 4]),
        split=np.full(3, 2, np.int8),
        fresh=np.isin(every, [0, 3, 4]),
        times=100.0 * every,
        names=np.array(["a", "b"] * 5),
        labels=np.array([[1], [0], [-1], [1], [0], [-1], [1], [1], [0], [-1]], np.int8),
        next_codes=np.full((size, 2), -1, np.int32),
        ask_history=np.array([0, 2, 2]),
        ask_after=np.array([2, 1, 6]),
        ask_time=np.array([150.0, 420.0, 5000.0]),
        ask_codes=np.array([[70], [71], [72]], np.int32),
        ask_numbers=np.array([[0.5], [1.5], [2.5]], np.float32),
        ask_labels=np.array([[0], [-1], [1]], np.int8),
        values=np.zeros((size, 0), np.float32),
        ask_values=np.zeros((3, 0), np.float32),
        fields={"price": np.array([np.nan, *range(1, size)]), "shop": np.array(["x"] * size)},
    )


def test_only_known_answers_are_asked(histories):
    ask, event = questions(histories, 0)
    assert (ask.kind, ask.events.tolist(), ask.users.tolist()) == ("ask", [1, 9], [0, 2])
    assert (ask.answers.tolist(), ask.indices.tolist(), ask.times.tolist()) == ([0, 1], [0, 2], [150.0, 5000.0])
    assert event.events.tolist() == [0, 1, 3, 4, 6, 7, 8]
    assert event.users.tolist() == [0, 0, 1, 2, 2, 2, 2]
    assert event.answers.tolist() == [1, 0, 1, 0, 1, 1, 0]


def test_a_window_holds_the_last_rows_and_an_asks_own_row(histories):
    ask, event = questions(histories, 0)
    codes, numbers, length = windows(histories, event, 3)
    assert codes[:, :, 0].tolist() == [[0, 0, 0], [0, 1, 0], [3, 0, 0], [4, 0, 0], [4, 5, 6], [5, 6, 7], [6, 7, 8]]
    assert length.tolist() == [1, 2, 1, 1, 3, 3, 3]
    assert numbers[-1, :, 0].tolist() == [6.0, 7.0, 8.0]
    codes, numbers, length = windows(histories, ask, 3)
    assert codes[:, :, 0].tolist() == [[0, 1, 70], [8, 9, 72]]
    assert numbers[:, -1, 0].tolist() == [0.5, 2.5]
    assert length.tolist() == [3, 3]


def test_a_window_starts_where_the_history_began_anew(histories):
    ask, event = questions(histories, 0)
    anew = replace(histories, fresh=np.isin(np.arange(10), [0, 2, 3, 4, 6, 8]))
    codes, _, length = windows(anew, event, 4)
    assert [codes[row, : length[row], 0].tolist() for row in range(7)] == [[0], [0, 1], [3], [4], [6], [6, 7], [8]]
    codes, _, length = windows(anew, ask, 4)
    assert [codes[row, : length[row], 0].tolist() for row in range(2)] == [[0, 1, 70], [8, 9, 72]]


def test_a_peer_is_told_everything_so_far_and_nothing_later(histories):
    ask, event = questions(histories, 0)
    told = list(pasts(histories, event, frozenset(("b",))))
    assert told[-1].times.tolist() == [400.0, 500.0, 600.0, 700.0, 800.0]
    assert told[-1].now == 800.0
    assert told[-1].targets.tolist() == [False, True, False, True, False]
    assert told[0].values.tolist() == [[0.0]]  # a missing price; the shop isn't a number
    first = next(pasts(histories, ask, frozenset(("b",))))
    assert (first.times.tolist(), first.now) == ([0.0, 100.0], 150.0)


def test_drawing_keeps_what_belongs_together(histories):
    event = questions(histories, 0)[1]
    drawn = event.drawn(4, seed=1)
    assert len(drawn) == 4
    for column in ("events", "users", "answers", "times"):
        full = dict(zip(event.indices.tolist(), getattr(event, column).tolist(), strict=True))
        assert getattr(drawn, column).tolist() == [full[index] for index in drawn.indices.tolist()]


def test_a_sample_is_of_whole_users(histories):
    drawn = sample(histories, 2, seed=0)
    assert len(drawn) == 2
    assert set(drawn.lengths.tolist()) <= set(LENGTHS)
    assert sample(histories, 3, seed=0) is histories


@pytest.mark.parametrize("kinds", [1, 3, 5])
def test_features_of_many_questions_are_those_of_each(histories, kinds):
    coded = replace(histories, codes=(histories.codes % 5).astype(np.int32))
    for asked in questions(coded, 0):
        single = [features_of(past, kinds) for past in pasts(coded, asked, frozenset(("b",)))]
        np.testing.assert_allclose(features(coded, asked, kinds), np.array(single), rtol=1e-12)


def test_a_wide_tables_features_are_its_steps(histories):
    ends = replace(histories, starts=np.array([0, 5]), split=np.full(2, 2, np.int8), ask_history=np.zeros(3, np.int64))
    ends = replace(ends, labels=np.where(np.isin(np.arange(10), [4, 9]), 1, -1)[:, None].astype(np.int8))
    asked = questions(ends, 0)[1]
    assert features(ends, asked, 0).tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
