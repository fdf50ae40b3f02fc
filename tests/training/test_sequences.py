"""Batches hold every event and question once, in its place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight_training.histories import Histories, read_histories, write_histories
from nearsight_training.sequences import batches, crops, drawn, rounds, step_count, steps


def numbered(lengths, questions=()):
    """Histories whose numbers are the events' indices, and questions after the given events."""
    size, asked = sum(lengths), np.array(sorted(questions), np.int64)
    starts = np.cumsum([0, *lengths[:-1]]).astype(np.int64)
    history = np.searchsorted(starts, asked, "right") - 1
    return Histories(
        codes=np.ones((size, 1), np.int32),
        numbers=np.arange(size, dtype=np.float32)[:, np.newaxis],
        starts=starts,
        split=np.zeros(len(lengths), np.int8),
        fresh=np.isin(np.arange(size), starts),
        times=np.zeros(size),
        names=np.array(["e"] * size),
        labels=(np.arange(size) % 3 - 1).astype(np.int8)[:, np.newaxis],
        next_codes=np.repeat(np.arange(size, dtype=np.int32)[:, np.newaxis], 2, 1),
        ask_history=history,
        ask_after=asked - starts[history] + 1,
        ask_time=np.zeros(len(asked)),
        ask_codes=np.full((len(asked), 1), 2, np.int32),
        ask_numbers=asked.astype(np.float32)[:, np.newaxis],
        ask_labels=np.ones((len(asked), 1), np.int8),
        values=np.zeros((size, 0), np.float32),
        ask_values=np.zeros((len(asked), 0), np.float32),
        fields={"price": np.arange(size, dtype=np.float64)},
    )


lengths = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@given(lengths, st.integers(1, 12), st.integers(0, 9))
def test_crops_cover_every_event_once_and_stay_inside_of_a_history(sizes, window, seed):
    histories = numbered(sizes)
    for generator in (None, np.random.default_rng(seed)):
        parts = crops(histories, window, generator)
        covered = np.concatenate([np.arange(s, s + n) for s, n in zip(parts.start, parts.length, strict=True)])
        assert covered.tolist() == list(range(sum(sizes)))
        assert parts.length.max() <= window
        owners = histories.owners
        assert (owners[parts.start] == owners[parts.start + parts.length - 1]).all()


def test_the_cuts_of_long_histories_move():
    parts = [crops(numbered([100]), 8, np.random.default_rng(seed)).start[1] for seed in range(40)]
    assert set(parts) == set(range(1, 9))


@given(lengths, st.integers(2, 16), st.integers(4, 64), st.data())
def test_batches_hold_every_event_and_question_in_its_place(sizes, window, rows, data):
    events = sum(sizes)
    histories = numbered(sizes, data.draw(st.lists(st.integers(0, events - 1), max_size=20)))
    generator = np.random.default_rng(1)
    chosen = drawn(histories, generator)
    parts = crops(histories, window, generator)
    stepped = list(steps(histories, parts, rows, chosen, generator))
    for given_batches in ([batch for step in stepped for batch in step], list(batches(histories, parts, rows, chosen))):
        seen = np.concatenate([batch.events[batch.events >= 0] for batch in given_batches])
        asked = np.concatenate([batch.asks[batch.asks >= 0] for batch in given_batches])
        assert sorted(seen.tolist()) == list(range(events))
        assert sorted(asked.tolist()) == sorted(chosen[chosen >= 0].tolist())
        for batch in given_batches:
            _check(batch, histories)


def _check(batch, histories):
    width = batch.events.shape[1]
    inside, asking = batch.events >= 0, batch.asks >= 0
    assert np.array_equal(batch.numbers[:, :width, 0][inside], batch.events[inside])
    assert np.array_equal(batch.labels[:, :width, 0][inside], batch.events[inside] % 3 - 1)
    assert (batch.labels[:, :width][~inside] == -1).all()
    assert (batch.next_codes[~inside] == -1).all()
    # The question stands beside the event that it follows.
    assert np.array_equal(batch.numbers[:, width:, 0][asking], batch.events[asking])
    assert (batch.codes[:, width:, 0][asking] == 2).all()
    assert (batch.labels[:, width:][~asking] == -1).all()


def test_a_step_mixes_lengths_and_the_count_is_about_right():
    histories = numbered([1, 20] * 200)
    parts = crops(histories, 32)
    found = list(steps(histories, parts, 400, None, np.random.default_rng(0)))
    assert all({batch.events.shape[1] for batch in step} == {2, 20} for step in found)
    assert len(found) == pytest.approx(step_count(parts, 400), abs=1)


@given(st.lists(st.integers(0, 9), max_size=30))
def test_rounds_hold_every_question_once(questions):
    histories = numbered([4, 6], questions)
    chosen = list(rounds(histories))
    assert sorted(np.concatenate([each[each >= 0] for each in chosen] or [[]]).tolist()) == list(range(len(questions)))
    for each in chosen:
        events = np.flatnonzero(each >= 0)
        assert np.array_equal(histories.ask_events[each[events]], events)


def test_taking_and_shortening_keep_events_and_questions_together():
    histories = numbered([3, 1, 5], [0, 2, 2, 3, 6, 8])
    taken = histories.take(np.array([0, 2]))
    assert taken.numbers[:, 0].tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert taken.numbers[taken.ask_events, 0].tolist() == taken.ask_numbers[:, 0].tolist() == [0, 2, 2, 6, 8]
    short = histories.shortened(np.array([1, 0, 3]))
    assert short.numbers[:, 0].tolist() == [0, 4, 5, 6]
    assert short.numbers[short.ask_events, 0].tolist() == short.ask_numbers[:, 0].tolist() == [0, 6]
    assert short.fields["price"].tolist() == [0, 4, 5, 6]
    assert len(histories.take(np.zeros(0, np.int64))) == 0


def test_histories_survive_the_disk(tmp_path):
    histories = numbered([3, 2], [1, 4])
    write_histories(tmp_path / "h.npz", histories)
    back = read_histories(tmp_path / "h.npz")
    for name, value in vars(histories).items():
        if name != "fields":
            assert np.array_equal(getattr(back, name), value), name
            assert getattr(back, name).dtype == value.dtype, name
    assert back.fields.keys() == {"price"}
