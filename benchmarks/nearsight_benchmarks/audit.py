"""What do a model and a state give away? `python -m nearsight_benchmarks.audit RUN ...` attacks what was exported.

The attacks are those of every export (`nearsight_export.audit`), with more users and states, on each of the last ten
events, and with one attack more: a reference network of the same kind, which learned from the validation users alone.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from nearsight.backends import Backend
from nearsight.backends.reference import NumpyBackend
from nearsight.bundle import write_atomically
from nearsight.errors import InputError, NearsightError
from nearsight.heads import BinaryHead, Head, NextEventHead, calibrated
from nearsight_benchmarks.host import Host, describe, load_average
from nearsight_export.audit import BRIEF, THOROUGH, Effort, audited
from nearsight_export.disclosure import place, told
from nearsight_export.index import ARTIFACTS
from nearsight_export.questions import percent
from nearsight_export.reports import Audit, ToldEvent
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval
from nearsight_training.run import Run, load_histories, load_run
from nearsight_training.split import TRAIN, VALIDATION

__all__ = ["Audits", "RunAudit", "audits", "stranger", "tables"]

_SMALLEST_BATCH = 128  # events
_FEWEST = 50  # users, from which a reference network learns
_ATTACKS = ("loss", "loss less what is foretold", "loss less a reference network's", "trees")
_CHECKED = 5  # one of so many of them says when its training ends


class RunAudit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The audit of a run, by its folder's name, and how many seconds it took."""

    run: str
    audit: Audit
    seconds: float


class Audits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    runs: tuple[RunAudit, ...]
    load_average: float | None
    host: Host
    command: str


def audits(paths: Sequence[Path], artifact: str, effort: Effort, command: str = "") -> Audits:
    """Attack each run's `artifact`. Raises `InputError` where a run can't be read or has no such artifact."""
    return Audits(
        runs=tuple(_audit(path, artifact, effort) for path in paths),
        load_average=load_average(),
        host=describe(),
        command=command,
    )


def stranger(run: Run, histories: Histories, share: float) -> Backend | None:
    """A network of the run's kind that learned from these users and no others; None where they are fewer than 50.

    `share` is how many events they have of those that the run learned from: an epoch has as many steps as the run's.
    """
    from nearsight_training.fit import fit, seeded
    from nearsight_training.network import build, canonical

    if len(histories) < _FEWEST:
        return None
    seeded(run.seed)
    fitting, asks = run.config.fitting, len(histories.ask_time) > 0
    model = build(run.trunk, asks=asks, dropout=fitting.dropout, train_embeddings=run.spec.steps is None)
    checked = np.arange(len(histories)) % _CHECKED == 0
    first, rest = (histories.take(np.flatnonzero(each)) for each in (~checked, checked))
    batch_events = max(_SMALLEST_BATCH, round(fitting.batch_events * min(1.0, share)))
    fit(model, first, rest, run.heads, msgspec.structs.replace(fitting, batch_events=batch_events), run.window)
    return NumpyBackend(calibrated(canonical(model), [_uncalibrated(head) for head in run.heads]), run.trunk)


def _uncalibrated(head: Head) -> Head:
    """The run's calibration is of other logits; a number's scale turns logits into outputs, and stays."""
    if isinstance(head, BinaryHead):
        return msgspec.structs.replace(head, scale=1.0, offset=0.0)
    return msgspec.structs.replace(head, temperature=1.0) if isinstance(head, NextEventHead) else head


def _audit(path: Path, artifact: str, effort: Effort) -> RunAudit:
    began = time.perf_counter()
    run, histories = load_run(path), load_histories(path)
    try:
        content = (path / ARTIFACTS / artifact).read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} needs {ARTIFACTS}/{artifact}, received none ({error.strerror}): run nearsight export on it first"
        ) from error
    users = histories.select(VALIDATION)
    reference = stranger(run, users, len(users.codes) / max(1, len(histories.select(TRAIN).codes)))
    found = audited(run, run.heads, histories, artifact, content, effort, reference)
    return RunAudit(run=path.absolute().name, audit=found, seconds=time.perf_counter() - began)


def tables(found: Audits) -> Iterator[str]:
    """The figures in Markdown: on membership, on the last events, on numbers; each where a run has some."""
    rows = [row for each in found.runs if (row := _membership(each))]
    if rows:
        yield _table(["run", "trained on + others", *_ATTACKS, "without the model", "found at 1 % false alarms"], rows)
    backs = sorted({event.back for each in found.runs for event in _told(each)})
    if backs:
        events = [row for each in found.runs for row in _events(each, backs)]
        yield _table(["run", "told by", *(place(back) for back in backs)], events)
    numbers = [row for each in found.runs for row in _numbers(each)]
    if numbers:
        yield _table(["run", "number", "by the state", "by the answers"], numbers)


def _membership(each: RunAudit) -> list[str]:
    found = each.audit.membership
    if found is None:
        return []
    aucs = [found.attacks.get(name) for name in _ATTACKS]
    figures = [_interval(auc) if auc else "" for auc in (*aucs, found.control)]
    caught = " to ".join(percent(share) for share in (found.found.low, found.found.high))
    return [each.run, f"{found.members:,} + {found.others:,}", *figures, f"{percent(found.found.value)} ({caught})"]


def _told(each: RunAudit) -> tuple[ToldEvent, ...]:
    return each.audit.disclosure.events if each.audit.disclosure else ()


def _events(each: RunAudit, backs: Sequence[int]) -> Iterator[list[str]]:
    events = {event.back: event for event in _told(each)}
    ways = {"the state": "share", "the answers": "from_answers", "guessing": "guessing"}
    for way, name in ways.items() if events else ():
        yield [each.run, way, *(percent(getattr(events[back], name)) if back in events else "" for back in backs)]


def _numbers(each: RunAudit) -> Iterator[list[str]]:
    for number in each.audit.disclosure.numbers if each.audit.disclosure else ():
        yield [each.run, number.name, percent(number.share), percent(number.from_answers)]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *rows])


def _interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def main(arguments: Sequence[str]) -> None:
    """Parse, attack, print, write."""
    parser = argparse.ArgumentParser("python -m nearsight_benchmarks.audit", description="What a model gives away.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="what nearsight export has exported")
    parser.add_argument("--artifact", default="int8/step.tflite", help="the step graph below RUN/artifacts")
    parser.add_argument("--brief", action="store_true", help="as few users and states as an export takes")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args(arguments)
    command = " ".join(["python -m nearsight_benchmarks.audit", *arguments])
    try:
        found = audits(options.runs, options.artifact, BRIEF if options.brief else THOROUGH, command)
    except NearsightError as error:
        parser.error(str(error))
    for each in found.runs:
        sys.stdout.write("".join(f"{line}\n" for line in (f"{each.run}, {each.seconds:.0f} s", *told(each.audit))))
    if options.out:
        write_atomically(options.out, msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
