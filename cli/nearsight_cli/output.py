"""What a command prints on standard output: JSON for scripts, tables and sentences for people."""

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

__all__ = ["Json", "print_json", "print_prose", "print_table", "print_text", "tell"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def print_json(value: Any) -> None:
    """One JSON document, indented, with every struct as an object."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> None:
    """A table with a title; the first `names` columns are text, the others figures."""
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position < names else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)


def print_text(text: str = "") -> None:
    """Lines as they are: answers, and commands that are meant to be pasted."""
    sys.stdout.write(f"{text}\n")


def print_prose(text: str) -> None:
    """A paragraph, broken between words where the terminal ends."""
    print_text(textwrap.fill(text, shutil.get_terminal_size().columns))


def tell(message: str) -> None:
    """A message for the person at the terminal, on standard error."""
    sys.stderr.write(f"{message}\n")
