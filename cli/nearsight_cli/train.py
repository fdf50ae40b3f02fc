"""`nearsight train`: an event log or a wide table in, a run folder out."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from nearsight.errors import InputError
from nearsight_cli.duration import seconds
from nearsight_cli.manual import manual
from nearsight_cli.output import Json
from nearsight_training.config import Fitting, LogConfig, Size, TableConfig, Target

if TYPE_CHECKING:
    from nearsight_training.metrics import Interval
    from nearsight_training.run import Run

__all__ = ["register", "train"]

_LOG, _TABLE = LogConfig(), TableConfig()
_LOG_ONLY = ("user", "time", "event", "every", "field", "target", "within", "next_event", "split", "cutoff", "window")


class Layout(StrEnum):
    """How the file is laid out."""

    log = "log"
    wide = "wide"


class Split(StrEnum):
    """What keeps training and test apart."""

    time = "time"
    user = "user"


Source = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, JSON lines or Parquet file.", show_default=False)]
LayoutOption = Annotated[
    Layout, typer.Option(help="log: a row is an event. wide: a row is a sample, its last column the 0/1 label.")
]
User = Annotated[
    str, typer.Option(metavar="COLUMN", help="The column that says whose event it is.", rich_help_panel="An event log")
]
Time = Annotated[str, typer.Option(metavar="COLUMN", help="The column that says when.", rich_help_panel="An event log")]
Event = Annotated[
    str, typer.Option(metavar="COLUMN", help="The column that says what happened.", rich_help_panel="An event log")
]
Every = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What to call every row of a log that has no such column.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Fields = Annotated[
    list[str],
    typer.Option(
        "--field",
        metavar="COLUMN",
        help="A further column to learn from; repeat it. Without it: every column that can be used.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target",
        metavar="EVENT",
        help="The event to foresee; repeat it for any of several.",
        show_default=False,
        rich_help_panel="The question",
    ),
]
Within = Annotated[
    str,
    typer.Option(
        metavar="DURATION", help="How far ahead: 12h, 7d, 2w.", show_default=False, rich_help_panel="The question"
    ),
]
Name = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help='What your app calls the answer: reading["purchase"]. Without it: the target\'s name.',
        show_default=False,
        rich_help_panel="The question",
    ),
]
NextEvent = Annotated[
    bool,
    typer.Option(
        "--next-event/--no-next-event", help="Learn which event comes next, too.", rich_help_panel="The question"
    ),
]
SplitOption = Annotated[
    Split,
    typer.Option(
        help="time: test on later events of users kept apart. user: test on users kept apart.",
        rich_help_panel="The test",
    ),
]
Cutoff = Annotated[
    str,
    typer.Option(
        metavar="DATE",
        help="Test by asking about every test user at this date, as in 1997-09-30.",
        show_default=False,
        rich_help_panel="The test",
    ),
]
Window = Annotated[
    int,
    typer.Option(
        min=2, metavar="EVENTS", help="The longest stretch of events to train on.", rich_help_panel="The network"
    ),
]
Filters = Annotated[int, typer.Option(min=1, metavar="N", help="Convolution filters.", rich_help_panel="The network")]
Units = Annotated[int, typer.Option(min=1, metavar="N", help="LSTM units.", rich_help_panel="The network")]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="At most so many passes over the data; it stops by itself once it no longer learns. "
        f"Without it: {_LOG.fitting.epochs}, for a wide table {_TABLE.fitting.epochs}.",
        show_default=False,
        rich_help_panel="The network",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="The same seed repeats a training.", rich_help_panel="The network")
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The run folder. Without it: runs/ and the file's name.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight train events.csv --user user_id --time timestamp --event event --target purchase --within 7d",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --target renew --within 2w",
        "nearsight train orders.csv --user customer --time date --every order --target order --within 90d",
        "nearsight train user_behavior_data.csv --layout wide",
    ]
    app.command(epilog=manual(examples, "Next: nearsight export RUN packs the run into one file for your app."))(train)


def train(
    context: typer.Context,
    source: Source,
    layout: LayoutOption = Layout.log,
    user: User = _LOG.user,
    time: Time = _LOG.time,
    event: Event = "event",
    every: Every = "",
    field: Fields = [],  # noqa: B006 - typer reads the default and hands in a list of its own
    target: Targets = [],  # noqa: B006
    within: Within = "",
    name: Name = "",
    next_event: NextEvent = _LOG.next_event,
    split: SplitOption = Split.time,
    cutoff: Cutoff = "",
    window: Window = _LOG.window,
    filters: Filters = _LOG.size.filters,
    units: Units = _LOG.size.units,
    epochs: Epochs = None,
    seed: Seed = _LOG.fitting.seed,
    out: Out = None,
    json: Json = False,
) -> None:
    """Train a model on an event log or a wide table, and test it on users that it has never seen."""
    given = {name for name in _LOG_ONLY if _is_given(context, name)}
    size = replace(_LOG.size, filters=filters, units=units)
    fitting = replace(_TABLE.fitting if layout is Layout.wide else _LOG.fitting, seed=seed)
    fitting = replace(fitting, epochs=epochs or fitting.epochs)
    if layout is Layout.wide:
        config: LogConfig | TableConfig = _table_config(given, name, size, fitting)
    else:
        config = LogConfig(
            user=user,
            time=time,
            event=None if _without_events(given) else event,
            every=every or _LOG.every,
            fields=tuple(field) or None,
            targets=_targets(target, within, name),
            next_event=next_event,
            split=split.value,
            cutoff=cutoff or None,
            window=window,
            size=size,
            fitting=fitting,
        )
    folder = out or Path("runs", source.name.split(".")[0])
    show(_trained(source, config, folder), folder, json)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _without_events(given: set[str]) -> bool:
    if {"every", "event"} <= given:
        raise InputError("--every is for a log without a column of events, received --event as well: drop one of them")
    return "every" in given


def _targets(events: list[str], within: str, name: str) -> tuple[Target, ...]:
    if not events and not within and not name:
        return ()
    if not events or not within:
        raise InputError(
            "a question needs --target EVENT and --within DURATION, received only one of them: "
            "add the other, as in --target purchase --within 7d"
        )
    return (Target(name=name or "_or_".join(events), events=tuple(events), within_seconds=seconds(within, "--within")),)


def _table_config(given: set[str], name: str, size: Size, fitting: Fitting) -> TableConfig:
    if given:
        options = ", ".join(f"--{option.replace('_', '-')}" for option in _LOG_ONLY if option in given)
        raise InputError(f"a wide table has no such columns or times, received {options}: drop what belongs to a log")
    return replace(_TABLE, name=name or _TABLE.name, size=size, fitting=fitting)


def _trained(source: Path, config: LogConfig | TableConfig, folder: Path) -> "Run":
    from nearsight_cli.progress import Drawn
    from nearsight_training.train import train_log, train_table

    with Drawn() as progress:
        if isinstance(config, TableConfig):
            return train_table(source, config, folder, progress)
        return train_log(source, config, folder, progress)


def show(run: "Run", folder: Path, json: bool) -> None:
    """Print what a training found: JSON, or a table of the test and what comes next."""
    from nearsight_cli.output import print_json, print_table, print_text

    if json:
        print_json(run)
        return
    metrics = list(dict.fromkeys(metric for found in run.metrics.values() for metric in found))
    rows = [
        [metric.replace("_", " "), *(_interval(found.get(metric)) for found in run.metrics.values())]
        for metric in metrics
    ]
    print_table(f"On the test data, with 95 % intervals ({run.source.name})", ["", *run.metrics], rows)
    for note in run.notes:
        print_text(f"Note: {note}")
    print_text(f"\nThe run is in {folder}. Next: nearsight export {folder}")


def _interval(interval: "Interval | None") -> str:
    if interval is None:
        return ""
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
