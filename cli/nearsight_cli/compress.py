"""`nearsight compress`: a run and a budget in, a search over recipes, and the bundle of the recommended one."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json
from nearsight_training.declaration import seconds

if TYPE_CHECKING:
    from nearsight_export.compressing import Compressed
    from nearsight_export.recommendation import Trial

__all__ = ["compress", "register"]

_STOPPED, _BEYOND = 130, 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        'nearsight compress runs/events --budget "32kB, 10us, -0.002 auc"',
        'nearsight compress runs/events --budget "16kB" --trials 2',
    ]
    after = "Next: nearsight inspect FOLDER/model.nsight; the same command again goes on."
    app.command(epilog=manual(examples, after))(compress)


def compress(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    budget: Annotated[
        str,
        typer.Option(
            metavar="LIMITS",
            help="What the step graph may have: bytes, the median time of a step on this machine, and the AUC that it "
            "may lose against the network as it was trained. Any of them may be missing.",
        ),
    ] = "-0.002 auc",
    within: Annotated[
        str, typer.Option("--time", metavar="DURATION", help="How long to try: 90s, 20m, 2h. The export comes on top.")
    ] = "10m",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Try so many at most, this time. Without it: what fits.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The search's folder; one that is there is gone on with. Without it: compressed in the run's folder.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look for the passes and the precision that make a run's step small and fast within a budget, and export by them.

    The first trial has no pass. Each is converted, timed, and judged on the validation users; the table's losses are of
    the test users. Where no trial keeps the budget, the closest one is shown with what stands in the way, and the exit
    code is 1.
    """
    from nearsight_cli.progress import Drawn
    from nearsight_export.budget import Budget
    from nearsight_export.compressing import compress as search
    from nearsight_export.tuning import Limits

    limits, folder = Budget.of(budget), out or run / "compressed"
    command = shlex.join(["nearsight", *sys.argv[1:]])
    with Drawn() as progress:
        found = search(run, limits, folder, Limits(seconds(within), trials), progress, command)
    show(found, folder, json)
    if found.is_stopped:
        raise typer.Exit(_STOPPED)
    if found.obstacles:
        raise typer.Exit(_BEYOND)


def show(found: "Compressed", out: Path, json: bool) -> None:
    """Print what a search found: JSON, or the Pareto front and what is recommended."""
    from nearsight_cli.output import print_json, print_prose, print_table, print_text

    if json:
        print_json(found)
        return
    heads = list(found.lost[found.front[0]])
    columns = ["trial", found.figure, "kB", "µs", "ratio", *(f"{head} lost" for head in heads), "recipe"]
    title = f"The Pareto front of {len(found.trials)} trials of {found.run}; what is lost, on the test users"
    print_table(title, columns, [_row(found.trial(number), found, heads) for number in found.front])
    print_text()
    print_prose(_verdict(found))
    for trial in found.trials:
        if trial.state == "failed":
            print_text(f"Trial {trial.number} ({_recipe(trial)}) failed: {trial.reason}")
    if found.bundle:
        print_text(f"\n{found.bundle} is ready.")
        print_text(f"Next: nearsight inspect {found.bundle}, nearsight bench {found.run} {found.bundle}")
    elif found.is_stopped:
        print_text(f"\nStopped before the export. To go on: {found.command}")
    else:
        print_text(f"\nTo export it all the same: nearsight export {found.run} --recipe {out / 'recipe.toml'}")
    print_text(f"Every trial is in {out / 'compression.json'}.")


def _row(trial: "Trial", found: "Compressed", heads: list[str]) -> list[str]:
    score, pace, size = trial.values
    lost = [found.lost[trial.number][head] for head in heads]
    marks = {found.reference: "untouched", found.recommended: "closest" if found.obstacles else "taken"}
    return [
        f"{trial.number} {marks.get(trial.number, '')}".strip(),
        f"{abs(score):.4f}",
        f"{size / 1000:.1f}",
        f"{trial.p50_us:.1f}",
        f"{pace:.2f}",
        *(f"{each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})" for each in lost),
        _recipe(trial),
    ]


def _recipe(trial: "Trial") -> str:
    choices = trial.choices
    sizes = f" of {choices['filters']} filters and {choices['units']} units"
    ways = {
        "whole": "no pass",
        "student": f"a student{sizes}",
        "lstm": f"an LSTM of {choices['units']} units",
        "thin": f"a kernel of rank {choices['rank']}",
    }
    return f"{ways.get(str(choices['way']), f'cut to{sizes[3:]}')}, {choices['variant']}"


def _verdict(found: "Compressed") -> str:
    trial = found.trial(found.recommended)
    if found.obstacles:
        return (
            f"No trial keeps the budget. The closest is trial {trial.number} ({_recipe(trial)}): "
            f"{' and '.join(found.obstacles)}."
        )
    if trial.number == found.reference:
        return "Export without any pass: within the budget nothing is smaller or faster and as good."
    first = found.trial(found.reference)
    return (
        f"Take trial {trial.number} ({_recipe(trial)}): {trial.values[2] / 1000:.1f} kB instead of "
        f"{first.values[2] / 1000:.1f}, and {trial.values[1]:.2f} times the time for a step."
    )
