import random

import msgspec

from benchmarks import invented
from nearsight_benchmarks.groups import GROUPS, grouped


def test_everybody_is_in_one_group_and_the_fastest_of_each_comes_first():
    shuffled = random.Random(3).sample(invented.ENTRIES, len(invented.ENTRIES))
    groups = grouped(shuffled)
    assert [title for title, _ in groups] == list(GROUPS.values())
    assert sorted(entry.name for _, entries in groups for entry in entries) == sorted(e.name for e in invented.ENTRIES)
    for _, entries in groups:
        times = [entry.latency.p50_us for entry in entries]
        assert times == sorted(times)
        assert len({entry.family for entry in entries}) == 1


def test_untimed_entries_come_last_and_empty_groups_not_at_all():
    untimed = msgspec.structs.replace(invented.STEPS[2], latency=None)
    ((title, entries),) = grouped([untimed, *invented.STEPS[:2]])
    assert title == GROUPS["step"]
    assert entries[-1] is untimed
