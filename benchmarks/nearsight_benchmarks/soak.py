"""A store over a long time: killed at random, timed beside plain sessions, and fed millions of events.

`python -m nearsight_benchmarks.soak shop.nsight` kills a writing process 500 times and looks at what is left, times
`observe` with and without a store, and runs ten million events through one process. That takes about a quarter of an
hour on two cores; 0 leaves a part out. It ends with exit code 1 where a kill lost more than it may.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight_benchmarks.backed import Backed, backed
from nearsight_benchmarks.endurance import Endurance, endurance
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_benchmarks.kills import Kills, kills

__all__ = ["Soak", "outcome", "soaked"]

_USERS = (1, 200)  # a desktop's, a backend's


class Soak(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. `load_average` is what else the machine did, before and after."""

    kills: Kills | None
    backed: tuple[Backed, ...]
    endurance: Endurance | None
    seed: int
    load_average: tuple[float | None, float | None]
    host: Host
    command: str


def soaked(
    bundle: str, *, kill: int, calls: int, events: int, users: int, live_users: int, seed: int, command: str = ""
) -> Soak:
    """Kill `kill` times, time `calls`, run `events` through; parts of size 0 are left out.

    Kills come first: they fork, and a process that has run a model for long is no place to fork from.
    """
    before = load_average()
    killed = kills(bundle, kill, seed) if kill else None
    timed = tuple(backed(bundle, each, calls, seed) for each in _USERS) if calls else ()
    endured = endurance(bundle, events, users, live_users, seed) if events else None
    return Soak(
        kills=killed,
        backed=timed,
        endurance=endured,
        seed=seed,
        load_average=(before, load_average()),
        host=describe(),
        command=command,
    )


def outcome(found: Soak) -> list[str]:
    """The figures in words, a line each."""
    lines = []
    if found.kills:
        worst = found.kills
        lines.append(
            f"{worst.trials} kills, {worst.events:,} events, {worst.erasures} erasures: "
            f"{len(worst.failures)} failures; at most {worst.most_lost_events} events lost (bound "
            f"{worst.flush_events}), the oldest {worst.oldest_lost_seconds:.3f} s old (bound {worst.flush_seconds} s "
            "and a write)"
        )
        lines += worst.failures
    for timed in found.backed:
        ratio = timed.store.p50_us / timed.plain.p50_us
        lines.append(
            f"observe, {timed.users} user{'s' if timed.users > 1 else ''} in turn, {timed.runtime}, "
            f"{timed.store.calls:,} calls each: store p50 {timed.store.p50_us:.1f} p99 {timed.store.p99_us:.1f} µs, "
            f"plain p50 {timed.plain.p50_us:.1f} p99 {timed.plain.p99_us:.1f} µs ({ratio:.2f} times)"
        )
    if found.endurance:
        long = found.endurance
        lines.append(
            f"{long.events:,} events of {long.users:,} users, {long.live_users:,} of them live, "
            f"{long.loads_per_event:.1%} loaded: {long.seconds:.0f} s, memory {long.growth_megabytes:+.2f} MB per "
            f"million events and within {long.spread_megabytes:.1f} MB once warm, file {long.file_megabytes:.1f} MB"
        )
        lines += [
            f"  tenth {number}: p50 {tenth.p50_us:.1f} p99 {tenth.p99_us:.1f} µs, {tenth.resident_megabytes:.1f} MB"
            for number, tenth in enumerate(long.tenths, 1)
        ]
    return lines


def main(arguments: Sequence[str]) -> int:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.soak", description="A store over a long time.")
    parser.add_argument("bundle", help="a .nsight file")
    parser.add_argument("--kill", type=int, default=500, help="how often")
    parser.add_argument("--calls", type=int, default=20_000, help="to time, of each kind")
    parser.add_argument("--events", type=int, default=10_000_000, help="through one process")
    parser.add_argument("--users", type=int, default=5000, help="whose events these are")
    parser.add_argument("--live-users", type=int, default=1000, help="of them in memory at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = vars(parser.parse_args(arguments))
    out = options.pop("out")
    found = soaked(**options, command=" ".join(["python -m nearsight_benchmarks.soak", *arguments]))
    sys.stdout.write("".join(f"{line}\n" for line in outcome(found)))
    if out:
        write_atomically(out, msgspec.json.format(msgspec.json.encode(found), indent=1))
    return 1 if found.kills and found.kills.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
