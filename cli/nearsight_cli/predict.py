"""`nearsight predict`: answers for every user of a log or every row of a wide table."""

import csv
import io
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight.bundle import write_atomically
from nearsight_cli.manual import manual
from nearsight_cli.output import Json, print_json, print_text, tell

if TYPE_CHECKING:
    from nearsight_training.predict import Predictions

__all__ = ["predict", "register"]

_LOG = "An event log"


class Runtime(StrEnum):
    """What runs the model."""

    auto = "auto"
    litert = "litert"
    tflite = "tflite"
    onnx = "onnx"
    numpy = "numpy"


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight predict model.nsight new_user_behavior_data.csv",
        "nearsight predict shop.nsight events.csv --user user_id --time timestamp --out answers.csv",
    ]
    app.command(epilog=manual(examples, "Next: let your app ask after every event, with session.observe()."))(predict)


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .nsight file.", show_default=False)],
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV, JSON lines or Parquet file.", show_default=False)
    ],
    user: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column that says whose event it is.", rich_help_panel=_LOG)
    ] = "user",
    time: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column that says when.", rich_help_panel=_LOG)
    ] = "time",
    event: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column that says what happened.", rich_help_panel=_LOG)
    ] = "event",
    at: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Ask about everybody at this date, after the silence until then. "
            "Without it: right after everybody's last event.",
            show_default=False,
            rich_help_panel=_LOG,
        ),
    ] = None,
    runtime: Annotated[
        Runtime,
        typer.Option(
            metavar="NAME",
            help="What runs the model: litert, onnx, tflite, numpy, or auto for the first that is there.",
        ),
    ] = Runtime.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the answers to a CSV file instead.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Answer for every user of an event log, or for every row of a wide table: a probability, and yes (1) or no (0).

    A question about a number is answered with its mean and the ends of its interval."""
    from nearsight_training.predict import predict as predicted

    answers = predicted(bundle, source, user=user, time=time, event=event, at=at, runtime=runtime.value)
    if out is not None:
        write_atomically(out, _csv(answers))
        tell(f"{len(answers.predictions)} answers are in {out}")
    if json:
        print_json(answers)
    elif out is None:
        _print(answers)


def _rows(answers: "Predictions") -> list[list[str]]:
    """A header, then a row for each answer."""
    names, numbers = list(answers.predictions[0].probability), list(answers.predictions[0].value)
    has_segments = answers.predictions[0].segment is not None
    header = ["who", *(column for name in names for column in (name, f"{name}_yes"))]
    header += [column for name in numbers for column in (name, f"{name}_low", f"{name}_high")]
    header += ["segment"] * has_segments
    return [
        header,
        *(
            [answer.who]
            + [text for name in names for text in (f"{answer.probability[name]:.6f}", str(int(answer.yes[name])))]
            + [f"{number:.6g}" for name in numbers for number in answer.value[name]]
            + [answer.segment or ""] * has_segments
            for answer in answers.predictions
        ),
    ]


def _csv(answers: "Predictions") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(answers))
    return text.getvalue().encode()


def _print(answers: "Predictions") -> None:
    rows = _rows(answers)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for who, *figures in rows:
        cells = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        print_text("  ".join((who.ljust(widths[0]), *cells)))
