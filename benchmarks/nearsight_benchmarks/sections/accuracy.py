"""The network beside simpler models: cross-fitted on one question, and every question of the public data sets."""

from collections.abc import Iterator, Sequence

from nearsight_benchmarks.cdnow import CrossFit
from nearsight_benchmarks.sections.markdown import code, difference, interval, table
from nearsight_export.beside import outlined
from nearsight_export.questions import asked
from nearsight_training.gate import compared, verdict
from nearsight_training.run import Run

__all__ = ["cross_fitted", "public"]

_CALIBRATED = ("expected_calibration_error", "calibration_error_by_chance")


def cross_fitted(found: CrossFit) -> Iterator[str]:
    """The study on CDNOW."""
    yield "## Will a customer buy again? CDNOW, cross-fitted"
    yield code(found.command)
    within, pooled = found.network_less, found.pooled_less
    yield (
        f"Each of {found.customers:,} customers is asked on 1997-09-30 whether another purchase follows by 1998-06-30 "
        f"({100 * found.yes_share:.1f} % yes), and is scored by models that were fitted on the other customers "
        f"({found.folds} folds, {found.resamples:,} resamples of customers). An AUC is the mean of the folds', each of "
        "which one model ranks. Pooled, customers of different folds are compared, too, which punishes what calibrates "
        "each fold by itself (Forman & Scholz 2010), as the network does and LightGBM doesn't."
    )
    rows = [
        [name, interval(auc, 4), *(difference(less[name]) if name in less else "" for less in (within, pooled))]
        for name, auc in found.auc.items()
    ]
    yield table(["model", "AUC", "network less the model, paired", "the same, folds pooled"], rows)
    telling = round(found.customers * min(found.yes_share, 1 - found.yes_share))
    said = (compared(name, change, telling) for name, change in found.network_less.items())
    yield " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in said)


def public(runs: Sequence[Run]) -> Iterator[str]:
    """Every question of the runs, beside simpler models."""
    if not runs:
        return
    yield "## Every question of the public data sets, beside simpler models"
    yield code("nearsight datasets NAME --out data    # NAME is one of those below; it prints the train command")
    yield (
        "Each run is one training with its defaults; the test users were kept apart, and all models were asked the "
        "same questions, 20,000 of them at most. More is better for a yes/no question (AUC), less for a next event "
        "(log loss, nats) and a number (root mean squared error)."
    )
    rows = [row for run in runs for row in _gated(run)]
    yield table(["data set", "question", "network", "model", "its figure", "network less the model, paired"], rows)
    yield "\n".join(f"- {run.source.name}: {sentence}" for run in runs for sentence in _sentences(run))


def _gated(run: Run) -> Iterator[list[str]]:
    for head in run.heads:
        gate = run.gates[head.name]
        for rival in gate.rivals:
            figure, network = rival.figures[gate.figure], run.metrics[head.name][gate.figure]
            change = difference(rival.ahead[gate.figure])
            yield [
                run.source.name,
                f"{head.name}: {asked(head)}",
                interval(network, 3),
                rival.name,
                interval(figure, 3),
                change,
            ]


def _sentences(run: Run) -> Iterator[str]:
    for name, gate in run.gates.items():
        yield from verdict(name, gate)
    for name, figures in run.metrics.items():
        if "expected_calibration_error" in figures:
            error, chance = (figures[each].value for each in _CALIBRATED)
            yield f"{name}: calibration error {error:.3f}, where a perfect model would have {chance:.3f} by chance."
    yield from outlined(run.beside)
