"""`nearsight train`: an event log or a wide table in, a run folder out."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer
from msgspec.structs import replace

from nearsight.errors import InputError
from nearsight_cli import options
from nearsight_cli.manual import manual
from nearsight_cli.options import LOG, TABLE
from nearsight_cli.output import Json
from nearsight_training.config import Augmentation, Cleaning, Decision, Fitting, LogConfig, Origin, Privacy, TableConfig
from nearsight_training.declaration import Columns, Declaration, Leaves, WillDo, grouping, read_declaration

if TYPE_CHECKING:
    from nearsight_training.run import Run

__all__ = ["register", "train"]

_DECLARED = (  # what a file of questions says in their place
    *("user", "time", "event", "every", "field", "category", "group", "trust", "count", "allow_personal"),
    *("coarsen", "min_users", "reset_after", "reset_events"),
    *("drop_missing", "drop_duplicates", "most_per_minute"),
    *("target", "within", "inactive", "active_within", "next_event"),
)
_DECIDED = ("precision", "miss_costs")
_LOG_ONLY = (
    *(*_DECLARED, "questions", "split", "cutoff", "window"),
    *("event_dropout", "time_jitter", "pretrain_epochs", "origin", "memory"),
)
_SPELLED = {"origin": "from"}  # options whose names are words of the language


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight train events.csv --user user_id --time timestamp --event event --target purchase --within 7d",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --target renew --within 2w",
        "nearsight train events.csv --user user_id --time timestamp --inactive 5d",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --within '3 events' --split user",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --within 7d --precision 0.5",
        "nearsight train events.csv --questions shop.toml",
        "nearsight train orders.csv --user customer --time date --every order --target order --within 90d",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --within 7d --memory 4GB",
        "nearsight train events.csv --user user_id --time timestamp --target purchase --within 7d --private 4",
        "nearsight train user_behavior_data.csv --layout wide",
    ]
    app.command(epilog=manual(examples, "Next: nearsight export RUN packs the run into one file for your app."))(train)


def train(
    context: typer.Context,
    source: options.Source,
    layout: options.LayoutOption = options.Layout.log,
    questions: options.Questions = None,
    user: options.User = LOG.user,
    time: options.Time = LOG.time,
    event: options.Event = "event",
    every: options.Every = "",
    field: options.Fields = [],  # noqa: B006 - typer reads the default and hands in a list of its own
    category: options.Categories = [],  # noqa: B006
    group: options.Groups = [],  # noqa: B006
    trust: options.Trusted = [],  # noqa: B006
    count: options.Counts = [],  # noqa: B006
    allow_personal: options.AllowPersonal = [],  # noqa: B006
    coarsen: options.Coarsen = None,
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
    network: options.NetworkOption = options.Network.cnn_lstm,
    filters: options.Filters = LOG.size.filters,
    units: options.Units = LOG.size.units,
    skip: options.Skip = None,
    epochs: options.Epochs = None,
    teach: options.Teach = LOG.fitting.teach,
    event_dropout: options.EventDropout = LOG.augmentation.event_dropout,
    time_jitter: options.TimeJitter = LOG.augmentation.time_jitter,
    pretrain_epochs: options.PretrainEpochs = LOG.fitting.pretrain_epochs,
    seed: options.Seed = LOG.fitting.seed,
    origin: options.Origin = None,
    memory: options.Memory = None,
    private: options.Private = None,
    delta: options.Delta = None,
    clip_norm: options.ClipNorm = None,
    users_per_step: options.UsersPerStep = None,
    out: options.Out = None,
    json: Json = False,
) -> None:
    """Train a model on an event log or a wide table, and test it on users that it has never seen."""
    given = {name for name in (*_LOG_ONLY, *_DECIDED) if _is_given(context, name)}
    defaults = TABLE if layout is options.Layout.wide else LOG
    size = replace(defaults.size, network=network.value, filters=filters, units=units)
    size = size if skip is None else replace(size, skip=skip)
    fitting = replace(defaults.fitting, seed=seed)
    privacy = _privacy(private, {"delta": delta, "clip_norm": clip_norm, "users_per_step": users_per_step})
    fitting = replace(fitting, pretrain_epochs=pretrain_epochs, private=privacy)
    fitting = replace(fitting, epochs=epochs or fitting.epochs, teach=teach and layout is options.Layout.log)
    if layout is options.Layout.wide:
        config: LogConfig | TableConfig = TableConfig(
            name=_table_name(given, name),
            decision=_decision(precision, miss_costs),
            test_share=test_share,
            validation_share=validation_share,
            size=size,
            fitting=fitting,
        )
    else:
        asked = _declared(questions, given, name) or Declaration(
            log=Columns(
                user=user,
                time=time,
                event=event,
                every=_every(given, every),
                fields=tuple(field) or None,
                categories=tuple(category),
                groups=dict(map(grouping, group)),
                trusted=tuple(trust),
                counts=tuple(count),
                allow=tuple(allow_personal),
                coarsen=coarsen,
                min_users=min_users,
                reset_after=reset_after,
                reset_events=reset_events,
            ),
            clean=Cleaning(
                missing="drop" if drop_missing else LOG.clean.missing,
                duplicates="drop" if drop_duplicates else LOG.clean.duplicates,
                most_per_minute=most_per_minute,
            ),
            question=_decided(_questions(target, within, inactive, active_within, name), precision, miss_costs),
            next_event=next_event,
        )
        if asked.private is not None:
            fitting = replace(fitting, private=_declared_privacy(asked.private, privacy))
        _check_teaching(fitting, teach and _is_given(context, "teach"))
        config = replace(
            asked.config(),
            split=split.value,
            cutoff=cutoff or None,
            test_share=test_share,
            validation_share=validation_share,
            window=window,
            parts=_parts(source, memory),
            size=size,
            fitting=fitting,
            augmentation=Augmentation(event_dropout=event_dropout, time_jitter=time_jitter),
            origin=Origin(run=str(origin)) if origin else None,
        )
    folder = out or Path("runs", source.name.split(".")[0])
    show(_trained(source, config, folder), folder, json)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _declared(file: Path | None, given: set[str], name: str) -> Declaration | None:
    if file is None:
        return None
    twice = [*(option for option in (*_DECLARED, *_DECIDED) if option in given), *(["name"] if name else [])]
    if twice:
        received = ", ".join(f"--{option.replace('_', '-')}" for option in twice)
        raise InputError(f"--questions names columns and questions in a file, received {received} as well: drop either")
    return read_declaration(file)


def _every(given: set[str], every: str) -> str | None:
    if {"every", "event"} <= given:
        raise InputError("--every is for a log without a column of events, received --event as well: drop one of them")
    return (every or LOG.every) if "every" in given else None


def _questions(
    events: list[str], within: str | None, inactive: str | None, active_within: str | None, name: str
) -> tuple[WillDo | Leaves, ...]:
    """The questions that the options ask; a name is that of the only one, or of the first."""
    if active_within and not inactive:
        raise InputError("--active-within narrows --inactive, received no --inactive: add it, as in --inactive 30d")
    alone = bool(inactive) and not events and not within
    if not alone and (events or within or name) and not (events and within):
        raise InputError(
            "a question needs --target EVENT and --within DURATION, received only one of them: "
            "add the other, as in --target purchase --within 7d"
        )
    foreseen = WillDo(name=name or "_or_".join(events), events=tuple(events), within=within or "")
    leaving = Leaves(name=(name if alone else "") or "inactive", span=inactive or "", active_within=active_within)
    return (*([foreseen] if events else []), *([leaving] if inactive else []))


def _decision(precision: float | None, miss_costs: float | None) -> Decision:
    try:
        return Decision(precision=precision, miss_costs=miss_costs)
    except ValueError as error:
        raise InputError(f"{error}: correct --precision or --miss-costs") from error


def _decided(
    questions: tuple[WillDo | Leaves, ...], precision: float | None, miss_costs: float | None
) -> tuple[WillDo | Leaves, ...]:
    """The same questions, all decided alike."""
    _decision(precision, miss_costs)
    return tuple(replace(question, precision=precision, miss_costs=miss_costs) for question in questions)


def _privacy(epsilon: float | None, further: dict[str, float | int | None]) -> Privacy | None:
    given = {name: value for name, value in further.items() if value is not None}
    if epsilon is None:
        if given:
            received = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise InputError(f"{received} says how --private trains, received no --private: add it, as in --private 4")
        return None
    try:
        return msgspec.convert({"epsilon": epsilon, **given}, Privacy)
    except msgspec.ValidationError as error:
        raise InputError(f"{error}: correct --private or what belongs to it") from error


def _declared_privacy(declared: Privacy, given: Privacy | None) -> Privacy:
    if given is not None:
        raise InputError("--private is for a file without a table [private], received both: drop either")
    return declared


def _check_teaching(fitting: Fitting, is_asked: bool) -> None:
    if fitting.private is not None and is_asked:
        raise InputError("trees that teach would tell of training users, received --teach with --private: drop either")


def _parts(source: Path, memory: str | None) -> int:
    if memory is None:
        return LOG.parts
    from nearsight_training.memory import bytes_of
    from nearsight_training.parts import parts_within

    return parts_within(source, bytes_of(memory))


def _table_name(given: set[str], name: str) -> str:
    received = ", ".join(f"--{_SPELLED.get(each, each).replace('_', '-')}" for each in _LOG_ONLY if each in given)
    if received:
        raise InputError(f"a wide table has no such columns or times, received {received}: drop what belongs to a log")
    return name or TABLE.name


def _trained(source: Path, config: LogConfig | TableConfig, folder: Path) -> "Run":
    from nearsight_cli.progress import Drawn
    from nearsight_training.train import train_log, train_table

    with Drawn() as progress:
        if isinstance(config, TableConfig):
            return train_table(source, config, folder, progress)
        return train_log(source, config, folder, progress)


def show(run: "Run", folder: Path, json: bool) -> None:
    """Print what a training found: JSON, or a table of the test and what comes next."""
    from nearsight_cli.output import print_json, print_prose, print_table, print_text
    from nearsight_export.beside import outlined
    from nearsight_training.gate import verdict
    from nearsight_training.guarantee import spoken

    if json:
        print_json(run)
        return
    print_table(f"On the test data ({run.source.name})", ["", "figure", "95 % interval"], _rows(run))
    print_text()
    if run.taught:
        print_prose(f"LightGBM's probabilities taught: {', '.join(run.taught)}.")
    print_prose(f"The network was {spoken(run.guarantee)}.")
    for name, gate in run.gates.items():
        for sentence in verdict(name, gate):
            print_prose(sentence)
    for sentence in outlined(run.beside):
        print_prose(sentence)
    for note in run.notes:
        print_prose(f"Note: {note}")
    print_text(f"\nThe run is in {folder}. Next: nearsight export {folder}")


def _rows(run: "Run") -> list[list[str]]:
    """Each head's name, then its figures."""
    rows: list[list[str]] = []
    for head, figures in run.metrics.items():
        rows += [[""] * 3] if rows else []
        rows.append([head, "", ""])
        for metric, found in figures.items():
            interval = f"{found.low:.3f} to {found.high:.3f}" if found.low < found.high else ""
            rows.append([f"  {metric.replace('_', ' ')}", f"{found.value:.3f}", interval])
    return rows
