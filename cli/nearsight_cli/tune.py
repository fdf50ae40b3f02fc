"""`nearsight tune`: a run and its log in, many small trainings, and the run of what is recommended."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json
from nearsight_training.declaration import seconds

if TYPE_CHECKING:
    from nearsight_export.recommendation import Trial
    from nearsight_export.tuning import Tuned

__all__ = ["register", "tune"]

_STOPPED = 130
_SHOWN = {  # choices in the table, of which there's no room for all
    "filters": "filters",
    "units": "units",
    "largest_embedding": "embedding",
    "window": "window",
    "learning_rate": "rate",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight tune runs/events events.csv --budget 20m",
        "nearsight tune runs/events events.csv --trials 2",
    ]
    after = "Next: nearsight export FOLDER/best packs the recommended run; the same command again goes on."
    app.command(epilog=manual(examples, after))(tune)


def tune(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run of an event log, around which to search.", show_default=False)
    ],
    source: Annotated[Path, typer.Argument(metavar="LOG", help="The file that it was trained on.", show_default=False)],
    budget: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How long to try: 90s, 20m, 2h. Training what is recommended comes on top."
        ),
    ] = "20m",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Try so many at most, this time. Without it: what fits.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The search's folder; one that is there is gone on with.")
    ] = Path("runs", "tuned"),
    json: Json = False,
) -> None:
    """Look for a network that is smaller and faster than a run's and ranks as well, and train it.

    Columns, questions, split and seed are the run's. The first trial is its network; each is converted and timed, and
    judged on the validation users.
    """
    tuned = _tuned(run, source, out, seconds(budget), trials)
    show(tuned, out, json)
    if tuned.is_stopped:
        raise typer.Exit(_STOPPED)


def _tuned(run: Path, source: Path, out: Path, budget: float, trials: int | None) -> "Tuned":
    from nearsight_cli.progress import Drawn
    from nearsight_export.tuning import Limits, configuration
    from nearsight_export.tuning import tune as search

    config = configuration(run, source)
    command = shlex.join(["nearsight", *sys.argv[1:]])
    with Drawn() as progress:
        return search(source, config, out, Limits(budget, trials), progress, command)


def show(tuned: "Tuned", out: Path, json: bool) -> None:
    """Print what a search found: JSON, or the Pareto front and what is recommended."""
    from nearsight_cli.output import print_json, print_prose, print_table, print_text
    from nearsight_export.recommendation import verdict

    if json:
        print_json(tuned)
        return
    front = [tuned.trial(number) for number in dict.fromkeys((*tuned.front, tuned.default))]
    columns = ["trial", tuned.figure, "µs", "ratio", "kB", *_SHOWN.values()]
    title = f"The Pareto front of {len(tuned.trials)} trials on the validation users of {tuned.log}, and the default"
    print_table(title, columns, [_row(trial, tuned) for trial in front])
    print_text()
    chosen, default = tuned.trial(tuned.recommended), tuned.trial(tuned.default)
    print_prose(verdict(chosen, default, tuned.against, tuned.figure))
    if tuned.run:
        print_text("\nOn the test, which no trial has seen:")
        for head, figures in tuned.metrics.items():
            name, found = ("AUC", figures["auc"]) if "auc" in figures else ("log loss", figures["log_loss"])
            print_text(f"  {head} {name} {found.value:.4f} ({found.low:.4f} to {found.high:.4f})")
        print_text(f"\nThe run is in {tuned.run}. Next: nearsight export {tuned.run}")
    else:
        print_text(f"\nStopped before the recommended run was trained. To go on: {tuned.command}")
    print_text(f"Every trial is in {out / 'tuning.json'}.")


def _row(trial: "Trial", tuned: "Tuned") -> list[str]:
    score, pace, size = trial.values
    figures = [f"{abs(score):.4f}", f"{trial.p50_us:.1f}", f"{pace:.2f}", f"{size / 1000:.1f}"]
    chosen = [f"{float(trial.choices[name]):.3g}" if name in trial.choices else "" for name in _SHOWN]
    marks = {tuned.default: "default", tuned.best: "best", tuned.recommended: "taken"}
    return [f"{trial.number} {marks.get(trial.number, '')}".strip(), *figures, *chosen]
