"""`nearsight datasets`: real event logs that are free to use, with questions about them."""

import io
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nearsight.bundle import write_atomically
from nearsight.errors import InputError
from nearsight_cli.manual import manual, pasted
from nearsight_cli.output import Json, print_json, print_prose, print_table, print_text, tell

if TYPE_CHECKING:
    from nearsight_training.columns import Table
    from nearsight_training.datasets import DataSet

__all__ = ["datasets", "register"]


class Format(StrEnum):
    """What the log is written as."""

    csv = "csv"
    parquet = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight datasets",
        "nearsight datasets cdnow",
        "nearsight datasets cdnow --out data --format parquet",
    ]
    app.command(epilog=manual(examples, "Next: nearsight train, as the last line that it prints."))(datasets)


def datasets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The data set to write. Without it: list them.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write it. Without it: this folder.", show_default=False),
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, typer.Option(help="What to write the log as. Without it: csv.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List public data sets, or write one as NAME.csv with questions about it, NAME.toml, ready to train on.

    Their files come from the folder $NEARSIGHT_DATA, or are fetched from their public source and checked.
    """
    from nearsight_training.datasets import dataset

    if name is not None:
        _write(dataset(name), out or Path(), format or Format.csv, json)
    elif out is not None or format is not None:
        option = "--out" if out is not None else "--format"
        raise InputError(f"{option} says how to write a data set, received no NAME: add one, as in cdnow")
    else:
        _list(json)


def _list(json: bool) -> None:
    from nearsight_training.datasets import DATASETS

    if json:
        print_json([_described(each) for each in DATASETS])
        return
    rows = [[each.name, each.teaches, f"{each.origin}; {each.terms}"] for each in DATASETS]
    print_table("Public data sets", ["", "span", "here", "events", "users"], [_row(each) for each in DATASETS], names=3)
    print_text()
    print_table("What they can teach", ["", "", "origin and terms"], rows, names=3)
    print_text("\nNext: nearsight datasets NAME writes one, with questions to train on.")


def _described(found: "DataSet") -> dict[str, Any]:
    fields = ("name", "events", "users", "first", "last", "teaches", "origin", "terms")
    return {**{field: getattr(found, field) for field in fields}, "url": found.file.url, "here": found.here()}


def _row(found: "DataSet") -> list[str]:
    span, here = f"{found.first} to {found.last}", found.here() or "no, is fetched"
    return [found.name, span, here, f"{found.events:,}", f"{found.users:,}"]


def _write(found: "DataSet", folder: Path, format: Format, json: bool) -> None:  # noqa: A002
    if not found.here():
        tell(f"Fetching {found.file.url}")
    table = found.load()
    log, questions = folder / f"{found.name}.{format.value}", folder / f"{found.name}.toml"
    write_atomically(log, _content(table, format))
    write_atomically(questions, found.questions.encode())
    train = shlex.join(["nearsight", "train", str(log), "--questions", str(questions), *found.options])
    if json:
        print_json(
            {**_described(found), "log": str(log), "questions": str(questions), "notes": table.notes, "train": train}
        )
        return
    users = table.frame["user"].n_unique()
    print_text(f"{log} holds {len(table):,} events of {users:,} users, {questions} questions about them.")
    for note in table.notes:
        print_prose(f"Note: {note}")
    print_text(f"\nNext:\n{pasted(train, '  ')}")


def _content(table: "Table", format: Format) -> bytes:  # noqa: A002
    if format is Format.csv:
        return table.frame.write_csv().encode()
    buffer = io.BytesIO()
    table.frame.write_parquet(buffer)
    return buffer.getvalue()
