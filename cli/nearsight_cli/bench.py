"""`nearsight bench`: latency, size, memory and accuracy, side by side with the usual ways."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json, print_json, print_prose, print_table, print_text

if TYPE_CHECKING:
    from nearsight_benchmarks.results import Entry, Results

__all__ = ["bench", "register", "show"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight bench runs/events --quick"]
    app.command(epilog=manual(examples, "Next: open the report; its first lines say what to ship and why."))(bench)


def bench(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    bundle: Annotated[
        Path | None,
        typer.Argument(metavar="BUNDLE", help="The exported file. Without it: model.nsight in the run's folder."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer calls, resamples and processes: about a minute instead of several.")
    ] = False,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="The answer to score. Without it: the first.", show_default=False)
    ] = None,
    window: Annotated[
        list[int] | None,
        typer.Option(
            metavar="EVENTS",
            min=2,
            help="A length for the window graphs; repeat it. Without it: 32 and 128.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same users.")] = 0,
    tflite_python: Annotated[
        Path | None,
        typer.Option(
            metavar="PYTHON",
            help="An interpreter with tflite-runtime, such as .venv-device/bin/python, whose TFLite then takes part.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where report.html and results.json go. Without it: the run's folder.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Measure latency against accuracy: every variant and runtime beside the usual alternatives, in one sitting."""
    from nearsight_benchmarks.bench import bench as measured
    from nearsight_benchmarks.config import BenchConfig
    from nearsight_cli.progress import Drawn

    config = BenchConfig(
        head=head,
        windows=tuple(window or BenchConfig().windows),
        quick=quick,
        seed=seed,
        tflite_python=tflite_python,
    )
    folder = out or run
    with Drawn() as progress:
        results = measured(run, bundle or run / "model.nsight", config, folder, progress)
    show(results, folder, json)


def show(results: "Results", folder: Path, json: bool) -> None:
    """Print what a benchmark found: JSON, or a table, the verdict and where the report is."""
    from nearsight_benchmarks.bench import PAGE

    if json:
        print_json(results)
        return
    columns = ["contestant", "p50", "p99", "kB", "AUC"]
    print_table(f"{results.question} ({results.run})", columns, _rows(results))
    print_text("\n* what to ship. The fastest first within each group.\n")
    for sentence in results.verdict:
        print_prose(sentence)
    print_text(f"\nThe report is {folder / PAGE}")


def _rows(results: "Results") -> list[list[str]]:
    """Each group's title, then its entries."""
    from nearsight_benchmarks.groups import grouped

    rows: list[list[str]] = []
    for title, entries in grouped(results.entries):
        rows += [[""] * 5] if rows else []
        rows += [[title, *[""] * 4], *(_row(entry, results) for entry in entries)]
    return rows


def _row(entry: "Entry", results: "Results") -> list[str]:
    from nearsight_benchmarks.verdict import duration, kilobytes

    latency, auc = entry.latency, results.auc(entry)
    return [
        f"{'*' if entry.name == results.pick else ' '} {entry.name}",
        duration(latency.p50_us) if latency else "",
        duration(latency.p99_us) if latency else "",
        kilobytes(entry.weight.raw) if entry.weight else "",
        f"{auc.value:.3f}" if auc else "",
    ]
