"""`nearsight tune`: an event log in, many small trainings, and the run of the configuration that is recommended."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from nearsight_cli import options
from nearsight_cli.manual import manual
from nearsight_cli.options import LOG
from nearsight_cli.output import Json
from nearsight_cli.train import asked_options, decided, declared, every_name, questions_asked
from nearsight_training.config import Cleaning, LogConfig
from nearsight_training.declaration import Columns, Declaration, seconds

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
        "nearsight tune events.csv --user user_id --time timestamp --target purchase --within 7d --budget 20m",
        "nearsight tune events.csv --questions shop.toml --trials 2 --out runs/shop",
    ]
    after = "Next: nearsight export FOLDER/best packs the recommended run; the same command again goes on."
    app.command(epilog=manual(examples, after))(tune)


def tune(
    context: typer.Context,
    source: options.Source,
    questions: options.Questions = None,
    user: options.User = LOG.user,
    time: options.Time = LOG.time,
    event: options.Event = "event",
    every: options.Every = "",
    field: options.Fields = [],  # noqa: B006 - typer reads the default and hands in a list of its own
    category: options.Categories = [],  # noqa: B006
    trust: options.Trusted = [],  # noqa: B006
    min_users: options.MinUsers = LOG.min_users,
    target: options.Targets = [],  # noqa: B006
    within: options.Within = None,
    inactive: options.InactiveFor = None,
    active_within: options.ActiveWithin = None,
    name: options.Name = "",
    precision: options.Precision = None,
    miss_costs: options.MissCosts = None,
    next_event: options.NextEvent = LOG.next_event,
    split: options.SplitOption = options.Split.time,
    cutoff: options.Cutoff = "",
    test_share: options.TestShare = LOG.test_share,
    validation_share: options.ValidationShare = LOG.validation_share,
    reset_after: options.ResetAfter = None,
    reset_events: options.ResetEvents = None,
    drop_missing: options.DropMissing = False,
    drop_duplicates: options.DropDuplicates = False,
    most_per_minute: options.MostPerMinute = None,
    window: options.Window = LOG.window,
    filters: options.Filters = LOG.size.filters,
    units: options.Units = LOG.size.units,
    epochs: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="At most so many passes over the data, in every trial.",
            rich_help_panel="The network",
        ),
    ] = LOG.fitting.epochs,
    teach: Annotated[
        bool,
        typer.Option(
            "--teach/--no-teach",
            help="Let the recommended run learn from LightGBM, too.",
            rich_help_panel="The network",
        ),
    ] = LOG.fitting.teach,
    seed: options.Seed = LOG.fitting.seed,
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
    """Look for a network that is smaller and faster and ranks as well, and train it.

    Each trial is converted and timed, and judged on the validation users. The first one is the default configuration,
    or what --filters, --units and --window say.
    """
    given = asked_options(context)
    asked = declared(questions, given, name) or Declaration(
        log=Columns(
            user=user,
            time=time,
            event=event,
            every=every_name(given, every),
            fields=tuple(field) or None,
            categories=tuple(category),
            trusted=tuple(trust),
            min_users=min_users,
            reset_after=reset_after,
            reset_events=reset_events,
        ),
        clean=Cleaning(
            missing="drop" if drop_missing else LOG.clean.missing,
            duplicates="drop" if drop_duplicates else LOG.clean.duplicates,
            most_per_minute=most_per_minute,
        ),
        question=decided(questions_asked(target, within, inactive, active_within, name), precision, miss_costs),
        next_event=next_event,
    )
    config = replace(
        asked.config(),
        split=split.value,
        cutoff=cutoff or None,
        test_share=test_share,
        validation_share=validation_share,
        window=window,
        size=replace(LOG.size, filters=filters, units=units),
        fitting=replace(LOG.fitting, epochs=epochs, teach=teach, seed=seed),
    )
    tuned = _tuned(source, config, out, seconds(budget), trials)
    show(tuned, out, json)
    if tuned.is_stopped:
        raise typer.Exit(_STOPPED)


def _tuned(source: Path, config: LogConfig, out: Path, budget: float, trials: int | None) -> "Tuned":
    from nearsight_cli.progress import Drawn
    from nearsight_export.tuning import Limits
    from nearsight_export.tuning import tune as search

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
    chosen = [f"{trial.choices[name]:.3g}" if name in trial.choices else "" for name in _SHOWN]
    marks = {tuned.default: "default", tuned.best: "best", tuned.recommended: "taken"}
    return [f"{trial.number} {marks.get(trial.number, '')}".strip(), *figures, *chosen]
