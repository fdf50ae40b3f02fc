"""From figures to results: the front, the pick, the ratios and the words."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from nearsight_benchmarks import host, verdict
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.contestants import Answers
from nearsight_benchmarks.cost import Cost, Machine
from nearsight_benchmarks.fresh import Start
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.observing import LATE
from nearsight_benchmarks.pareto import front
from nearsight_benchmarks.results import Entry, Protocol, Results, Throughput
from nearsight_benchmarks.scoring import auc_difference
from nearsight_benchmarks.segments import market
from nearsight_training import gate
from nearsight_training.metrics import Interval, informative

__all__ = ["concluded", "protocol"]


def concluded(
    material: Material,
    config: BenchConfig,
    entries: Sequence[Entry],
    answers: Mapping[str, Answers],
    throughput: tuple[Throughput, ...],
    machine: Machine,
    costs: tuple[Cost, ...],
    about: Protocol,
    *,
    skipped: dict[str, str],
    device: Mapping[str, str],
    caveats: tuple[str, ...],
    bundle: str,
    command: str,
) -> Results:
    """Everything that the page and the JSON say; `device` holds the versions of an interpreter that took part."""
    kind = material.primary
    chosen = verdict.pick(entries, kind)
    observed = _observed(entries, chosen)
    found = verdict.ratios(entries, observed, config.windows) if observed else ()
    against = _against(material, config, entries, answers, chosen)
    return Results(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        run=material.run.name,
        bundle=bundle,
        bundle_bytes=material.bundle_bytes,
        head=material.head.name,
        question=material.question,
        primary=kind,
        pick=chosen.name,
        verdict=(*verdict.sentences(entries, chosen, kind, found, against, _telling(material)), *_elsewhere(material)),
        simpler=tuple(chain.from_iterable(map(gate.verdict, material.run.gates, material.run.gates.values()))),
        market=market(material),
        index=material.index,
        entries=tuple(entries),
        front=_front(entries, kind),
        ratios=found,
        differences=against,
        throughput=throughput,
        machine=machine,
        costs=costs,
        skipped=skipped,
        host=host.describe(device),
        protocol=about,
        caveats=caveats,
        command=command,
    )


def protocol(
    material: Material, config: BenchConfig, timer_nanoseconds: float, bare: Start, load: float | None
) -> Protocol:
    """How it was measured; `load` is the host's load average before it."""
    return Protocol(
        calls=config.plan.calls,
        seconds=config.plan.seconds,
        rounds=config.plan.rounds,
        timer_nanoseconds=timer_nanoseconds,
        processes=config.processes,
        resamples=config.resamples,
        questions={kind.kind: len(kind) for kind in material.exam.kinds},
        users=len(material.exam.histories),
        yes_share={kind.kind: float(kind.answers.mean()) for kind in material.exam.kinds},
        numpy_seconds=bare.seconds,
        numpy_megabytes=bare.megabytes,
        load_average=load,
    )


def _telling(material: Material) -> int:
    asked = material.exam.kinds[0]
    return informative(asked.answers, asked.users)


def _elsewhere(material: Material) -> Iterator[str]:
    """Where the network does worse than a simpler model on a question that isn't benchmarked here."""
    for name, found in material.run.gates.items():
        if name != material.head.name:
            yield from gate.lost(name, found)


def _observed(entries: Sequence[Entry], chosen: Entry) -> Entry | None:
    """The SDK's call late in a history, through the pick's runtime where the bundle has it."""
    late = [entry for entry in entries if entry.family == "observe" and entry.name.endswith(f"{LATE:,}")]
    return next((entry for entry in late if entry.runtime == chosen.runtime), late[0] if late else None)


def _against(
    material: Material, config: BenchConfig, entries: Sequence[Entry], answers: Mapping[str, Answers], chosen: Entry
) -> dict[str, Interval]:
    """By entry, the pick's AUC less the entry's on the primary questions: for peers, rivals and every other step."""
    asked = material.exam.kinds[0]
    mine = answers[chosen.name][asked.kind]
    return {
        entry.name: auc_difference(asked, mine, answers[entry.name][asked.kind], config.resamples, config.seed)
        for entry in entries
        if entry.family in ("peer", "rival", "step") and entry.name != chosen.name
    }


def _front(entries: Sequence[Entry], kind: str) -> tuple[str, ...]:
    """The entries that none beats in both latency and AUC as printed, to three decimals."""
    shown = [
        (entry, entry.latency.p50_us) for entry in entries if entry.latency and "auc" in entry.quality.get(kind, {})
    ]
    gains = [round(entry.quality[kind]["auc"].value, 3) for entry, _ in shown]
    return tuple(shown[place][0].name for place in front([cost for _, cost in shown], gains))
