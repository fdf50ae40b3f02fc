"""What a benchmark found, typed; written as JSON and drawn as a page."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError
from nearsight_benchmarks.cost import Cost, Machine
from nearsight_benchmarks.host import Host
from nearsight_benchmarks.market import Market
from nearsight_benchmarks.timing import Latency
from nearsight_export.index import Index
from nearsight_training.metrics import Interval

__all__ = [
    "Entry",
    "Footprint",
    "Protocol",
    "Ratio",
    "Results",
    "Throughput",
    "Weight",
    "read_results",
    "write_results",
]

FORMAT = 1
Quality = dict[str, Interval]  # "auc", "average_precision", "log_loss", "expected_calibration_error"


class Weight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to be shipped, in bytes, as it is and gzipped."""

    raw: int
    gzipped: int


class Footprint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fresh process up to its first answer, less one that only imports NumPy: medians over `processes`."""

    seconds: float
    megabytes: float
    processes: int


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contestant.

    `family` is "observe" (the whole SDK call), "step" (its backend alone), "window" (the history anew at every call),
    "rival" (the same network as another tool converts it) or "peer" (another kind of model). `window` is how many
    events are read again by each call, None where that's one.
    `quality` is by kind of question: "ask" (at a moment without an event) and "event" (after every event).
    """

    name: str
    family: str
    runtime: str
    precision: str | None = None
    window: int | None = None
    latency: Latency | None = None
    weight: Weight | None = None
    footprint: Footprint | None = None
    quality: dict[str, Quality] = {}


class Ratio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many times faster `fast` is than `slow`, by medians of one interleaved run."""

    fast: str
    slow: str
    times: float


class Throughput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events that `score_many` replays in a second on one core, features included: the median of `repeats`."""

    runtime: str
    events_per_second: float
    events: int
    repeats: int


class Protocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it was measured. `load_average` is the host's over the minute before, None where it has none."""

    calls: int
    seconds: float
    rounds: int
    timer_nanoseconds: float
    processes: int
    resamples: int
    questions: dict[str, int]
    users: int
    yes_share: dict[str, float]
    numpy_seconds: float
    numpy_megabytes: float
    load_average: float | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole benchmark. `pick` names the entry to ship; `verdict` says why, in sentences, and `simpler` compares the
    trained network with simpler models on every question. `market` has its segments of users, where it has any, and
    `index` what the export did and proved, where it left word of that.

    `differences` are the pick's AUC less another entry's on the primary questions, paired. `machine` has the host's
    limits and `costs` say how far from them each step artifact is.
    """

    format: int = FORMAT
    created: str
    run: str
    bundle: str
    bundle_bytes: int
    head: str
    question: str
    primary: str
    pick: str
    verdict: tuple[str, ...]
    simpler: tuple[str, ...] = ()
    market: Market | None = None
    index: Index | None = None
    entries: tuple[Entry, ...]
    front: tuple[str, ...]
    ratios: tuple[Ratio, ...]
    differences: dict[str, Interval]
    throughput: tuple[Throughput, ...]
    machine: Machine | None = None
    costs: tuple[Cost, ...] = ()
    skipped: dict[str, str]
    host: Host
    protocol: Protocol
    caveats: tuple[str, ...]
    command: str

    def entry(self, name: str) -> Entry:
        """The entry of that name; raises `KeyError` where there is none."""
        return named(self.entries, name)

    def auc(self, entry: Entry) -> Interval | None:
        """An entry's AUC on the primary questions."""
        return entry.quality.get(self.primary, {}).get("auc")


def named(entries: Sequence[Entry], name: str) -> Entry:
    """The entry of that name; raises `KeyError` where there is none."""
    for entry in entries:
        if entry.name == name:
            return entry
    raise KeyError(name)


def write_results(path: Path, results: Results) -> None:
    """Write as JSON, atomically."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(results), indent=1))


def read_results(path: Path) -> Results:
    """Read what `write_results` wrote. Raises `InputError` where it is missing or something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}): pass a file that nearsight bench wrote") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} isn't a benchmark's result ({error}): run nearsight bench again") from error
