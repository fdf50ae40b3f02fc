"""The options of `nearsight train`, each with its help; the defaults are those of the training itself."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nearsight_training.config import LogConfig, Privacy, TableConfig

__all__ = [
    "LOG",
    "TABLE",
    "ActiveWithin",
    "Categories",
    "ClipNorm",
    "Counts",
    "Cutoff",
    "Delta",
    "DropDuplicates",
    "DropMissing",
    "Epochs",
    "Event",
    "EventDropout",
    "Every",
    "Fields",
    "Filters",
    "Groups",
    "InactiveFor",
    "Layout",
    "LayoutOption",
    "Memory",
    "MinUsers",
    "MissCosts",
    "MostPerMinute",
    "Name",
    "Network",
    "NetworkOption",
    "NextEvent",
    "Origin",
    "Out",
    "Precision",
    "PretrainEpochs",
    "Private",
    "Questions",
    "ResetAfter",
    "ResetEvents",
    "Seed",
    "Skip",
    "Source",
    "Split",
    "SplitOption",
    "Targets",
    "Teach",
    "TestShare",
    "Time",
    "TimeJitter",
    "Trusted",
    "Units",
    "User",
    "UsersPerStep",
    "ValidationShare",
    "Window",
    "Within",
]

LOG, TABLE = LogConfig(), TableConfig()
_PRIVACY = Privacy(epsilon=1.0)


class Layout(StrEnum):
    """How the file is laid out."""

    log = "log"
    wide = "wide"


class Split(StrEnum):
    """What keeps training and test apart."""

    time = "time"
    user = "user"


class Network(StrEnum):
    """What lies between the events and the answers."""

    cnn_lstm = "cnn_lstm"
    lstm = "lstm"
    cnn = "cnn"
    mlp = "mlp"
    vae = "vae"


Source = Annotated[Path, typer.Argument(metavar="FILE", help="A CSV, JSON lines or Parquet file.", show_default=False)]
LayoutOption = Annotated[
    Layout, typer.Option(help="log: a row is an event. wide: a row is a sample, its last column the 0/1 label.")
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Train in about so much memory, as in 2GB, by parts of the log on disk where it doesn't fit as a whole.",
        show_default=False,
    ),
]
Questions = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.toml",
        help="The log's columns and any number of questions, declared in a file instead of by the options below.",
        show_default=False,
    ),
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
Categories = Annotated[
    list[str],
    typer.Option(
        "--category",
        metavar="COLUMN",
        help="A further column whose numbers are only names, such as a product's; repeat it.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Groups = Annotated[
    list[str],
    typer.Option(
        "--group",
        metavar="COLUMN=EDGES",
        help="A further column of which only the group is read: age=18,30,45,65, or age=5 for five groups of about as "
        "many users; repeat it.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Counts = Annotated[
    list[str],
    typer.Option(
        "--count",
        metavar="EVENT",
        help="An event of which the model sees how often it has happened so far; repeat it.",
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
    str | None,
    typer.Option(
        metavar="DURATION",
        help="How far ahead: 12h, 7d, 2w; or '5 events'; or session, which --reset-after ends.",
        show_default=False,
        rich_help_panel="The question",
    ),
]
InactiveFor = Annotated[
    str | None,
    typer.Option(
        "--inactive",
        metavar="DURATION",
        help="Ask who will leave, too: who does nothing for so long, as in 30d.",
        show_default=False,
        rich_help_panel="The question",
    ),
]
ActiveWithin = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Ask that only of who did something as recently as this. Without it: of everybody.",
        show_default=False,
        rich_help_panel="The question",
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
Precision = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Say yes from where this share of yeses is right, as in 0.8. Without it: from where F1 is best.",
        show_default=False,
        rich_help_panel="The question",
    ),
]
MissCosts = Annotated[
    float | None,
    typer.Option(
        metavar="TIMES",
        help="Say yes from where it costs least, if a missed yes costs so many times as much as a false one.",
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
TestShare = Annotated[
    float,
    typer.Option(
        metavar="SHARE", min=0.01, max=0.9, help="How many of the users test the model.", rich_help_panel="The test"
    ),
]
ValidationShare = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0.01,
        max=0.9,
        help="How many say when to stop training and calibrate the answers.",
        rich_help_panel="The test",
    ),
]
Trusted = Annotated[
    list[str],
    typer.Option(
        "--trust",
        metavar="COLUMN",
        help="Keep a field though it alone answers a question: your app knows it at that moment. Repeat for several.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
AllowPersonal = Annotated[
    list[str],
    typer.Option(
        metavar="COLUMN",
        help="Read a field though it looks like e-mail addresses, phone or card numbers, names or free text. "
        "Repeat for several.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Coarsen = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Know times only to the hour (1h) or the day (1d), here and on the device. Without it: as they are.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
MinUsers = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="A name that fewer users have stays out of the model, so that it can't give anybody away.",
        rich_help_panel="An event log",
    ),
]
ResetAfter = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Start a history anew with the first event after such a gap: 30m makes sessions. Without it: never.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
ResetEvents = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="EVENTS",
        help="Start a history anew after so many events. Without it: never.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
DropMissing = Annotated[
    bool,
    typer.Option(
        "--drop-missing",
        help="Drop rows without a user, a time or an event. Without it: refuse the log.",
        rich_help_panel="An event log",
    ),
]
DropDuplicates = Annotated[
    bool,
    typer.Option(
        "--drop-duplicates",
        help="Drop rows that equal another one in every column that is read, but for one of them.",
        rich_help_panel="An event log",
    ),
]
MostPerMinute = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Drop users with more events than this within a minute: bots. Without it: nobody.",
        show_default=False,
        rich_help_panel="An event log",
    ),
]
Window = Annotated[
    int,
    typer.Option(
        min=2, metavar="EVENTS", help="The longest stretch of events to train on.", rich_help_panel="The network"
    ),
]
NetworkOption = Annotated[
    Network,
    typer.Option(
        help="The article's CNN-LSTM, or one to compare with it. mlp: a bag of events. vae: with an anomaly score.",
        rich_help_panel="The network",
    ),
]
Filters = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Convolution filters; for mlp and vae the first layer.", rich_help_panel="The network"
    ),
]
Units = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="LSTM units; without an LSTM the last layer.", rich_help_panel="The network"),
]
Skip = Annotated[
    bool | None,
    typer.Option(
        "--skip/--no-skip",
        help="Let the answers read the newest event itself beside what the network makes of the history. Without it: "
        "they do, for a wide table they don't.",
        show_default=False,
        rich_help_panel="The network",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="At most so many passes over the data; it stops by itself once it no longer learns. "
        f"Without it: {LOG.fitting.epochs}, for a wide table {TABLE.fitting.epochs}.",
        show_default=False,
        rich_help_panel="The network",
    ),
]
Teach = Annotated[
    bool,
    typer.Option(
        "--teach/--no-teach",
        help="Let a question learn from LightGBM's probabilities, too, where that helps on validation.",
        rich_help_panel="The network",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, metavar="N", help="The same seed repeats a training.", rich_help_panel="The network")
]
EventDropout = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=0.9,
        help="Let so many of the events trained on go missing, others each epoch. Labels stay.",
        rich_help_panel="The network",
    ),
]
TimeJitter = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=0.9,
        help="Lengthen or shorten each gap trained on by so much of itself at most, otherwise each epoch.",
        rich_help_panel="The network",
    ),
]
PretrainEpochs = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        help="Train twice, once after so many passes at most that only learn what comes next, and keep the better.",
        rich_help_panel="The network",
    ),
]
Origin = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Begin with another run's weights: names, numbers and questions that both know keep theirs.",
        show_default=False,
        rich_help_panel="The network",
    ),
]
Private = Annotated[
    float | None,
    typer.Option(
        metavar="EPSILON",
        help="Let the weights tell little of any user trained on: differential privacy, as in 4; less tells less.",
        show_default=False,
        rich_help_panel="Privacy",
    ),
]
Delta = Annotated[
    float | None,
    typer.Option(
        metavar="CHANCE",
        help="With which chance more may be told. Without it: one over the training users to the power of 1.1.",
        show_default=False,
        rich_help_panel="Privacy",
    ),
]
ClipNorm = Annotated[
    float | None,
    typer.Option(
        metavar="NORM",
        help=f"By how much a user can move the sum of a step's gradients. Without it: {_PRIVACY.clip_norm:g}.",
        show_default=False,
        rich_help_panel="Privacy",
    ),
]
UsersPerStep = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help=f"How many users take part in a step on average, drawn by chance. Without it: {_PRIVACY.users_per_step}.",
        show_default=False,
        rich_help_panel="Privacy",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The run folder. Without it: runs/ and the file's name.", show_default=False),
]
