"""Histories that users of all splits have alike, against answers that are looked up in the log."""

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nearsight_training.config import Label, LogConfig
from nearsight_training.preparation import alike, prepare
from nearsight_training.split import plan
from training.test_split import BUY, CONFIG, DAY, busy_log


def looked_up(times, names, until):
    """Of one user's events the label and the next name after each, -1 and None where `until` comes first."""
    for event, time in enumerate(times):
        end = time + BUY.within_seconds
        bought = any(name == "buy" and time < at <= end for at, name in zip(times, names, strict=True))
        following = names[event + 1] if event + 1 < len(times) else None
        yield int(bought) if end <= until else -1, following


@settings(max_examples=25)
@given(st.integers(0, 50), st.sampled_from(["time", "user"]), st.sampled_from([None, 20 * DAY]))
def test_users_of_all_splits_are_seen_and_asked_alike(seed, split, cutoff):
    log = busy_log(seed)
    config = msgspec.structs.replace(CONFIG, split=split, cutoff=cutoff, validation_share=0.3)
    prepared = prepare(log, config)
    found = alike(prepared.histories, prepared.spec, config)
    until = found.times.max()
    last = plan(log, config).until if split == "user" else (cutoff or until)
    vocabulary = ("", *prepared.spec.event.vocabulary)
    for history in range(len(found)):
        span = found.span(history)
        times = found.times[span]
        start = int(np.flatnonzero(log.times == times[0])[0])
        mine = slice(start, start + int(log.lengths[log.owners[start]]))
        seen = log.times[mine] <= (cutoff or until)
        assert times.tolist() == log.times[mine][seen].tolist()
        names = np.array(list(log.names[mine]))
        told = list(looked_up(log.times[mine].tolist(), names.tolist(), last))[: len(times)]
        assert found.labels[span, 0].tolist() == [label for label, _ in told]
        following = [vocabulary[code] for code in found.next_codes[span, 0][:-1].tolist()]
        assert following == [name for _, name in told[:-1]]
        assert found.next_codes[span, 0][-1] == -1
    assert set(found.ask_time.tolist()) == ({cutoff} if cutoff and split == "user" else set())
    if cutoff and split == "user":
        assert set(found.split[found.ask_history].tolist()) == {0, 1, 2}


def test_labels_that_arrive_late_stay_unknown_where_times_are_split():
    log = busy_log(3)
    paid = np.random.default_rng(1).integers(0, 2, len(log.times)).astype(np.int8)
    log = replace(log, outcomes={"paid": paid})
    target = Label(name="paid", column="paid", per="event", delay_seconds=DAY)
    for split, known in (("time", False), ("user", True)):
        config = LogConfig(targets=(target,), min_users=1, split=split, validation_share=0.3)
        prepared = prepare(log, config)
        found = alike(prepared.histories, prepared.spec, config)
        assert (found.labels >= 0).any() == known
