"""A first declaration of a log's columns and questions, drawn from a look at it and written as TOML."""

import tempfile
from pathlib import Path

import msgspec

from nearsight.bundle import write_atomically
from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.commentary import commented
from nearsight_training.config import Cleaning
from nearsight_training.declaration import Columns, Declaration, read_declaration
from nearsight_training.proposal import proposals
from nearsight_training.roles import find_roles, words
from nearsight_training.rows import usable_rows
from nearsight_training.survey import Survey, surveyed

__all__ = ["Draft", "check_free", "draft", "write_draft"]

_ROWS = ("order", "purchase", "visit", "click", "view", "session", "transaction", "booking", "payment", "invoice")
_FEWEST_KINDS = 2  # that let a model ask which comes next


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a log holds, and what to ask of it. `shares` are those of yes for each duration, by question."""

    survey: Survey
    declaration: Declaration
    shares: dict[str, dict[str, float]]


def draft(
    source: Path, user: str | None = None, time: str | None = None, event: str | None = None, every: str | None = None
) -> Draft:
    """Look at a log and propose how to train on it. Columns that aren't given are told by name and content.

    Where there are no names of events, each row is one called `every`, else after the file. Raises `InputError` where
    the log can't be read, where a column can't be told, and where no question fits.
    """
    table = Table.read(source)
    roles = find_roles(table, user, time, event, alike=every is not None)
    named = every or _row(source)
    rows = usable_rows(table, roles, named)
    survey = surveyed(rows)
    asked = proposals(rows.log, survey.kinds)
    follows = len(survey.kinds) >= _FEWEST_KINDS and survey.most_events_per_user > 1
    if not asked and not follows:
        raise InputError(
            f"{table.name} answers no question, received {survey.events:,} events of {survey.users:,} users from "
            f"{survey.first} to {survey.last}, all called {survey.kinds[0].name!r}: {_advice(survey)}"
        )
    declaration = Declaration(
        log=Columns(
            user=roles.user,
            time=roles.time,
            event=roles.event or Columns().event,
            every=None if roles.event else named,
            fields=tuple(field.name for field in survey.fields if field.kind != "left out"),
            categories=tuple(field.name for field in survey.fields if field.numbered),
            groups={field.name: field.groups for field in survey.fields if field.groups is not None},
        ),
        clean=Cleaning(missing="drop" if survey.lacking else "refuse"),
        next_event=follows,
        question=tuple(each.question for each in asked),
    )
    return Draft(survey=survey, declaration=declaration, shares={each.question.name: each.shares for each in asked})


def write_draft(drafted: Draft, source: Path, out: Path, force: bool = False) -> None:
    """Write a declaration that reads back as it is meant. Raises `InputError` where there is a file and no `force`."""
    check_free(out, force)
    content = commented(drafted.survey, drafted.declaration, drafted.shares, source, out).encode()
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder, "trial.toml")
        trial.write_bytes(content)
        if read_declaration(trial) != drafted.declaration:
            raise InputError(f"{source} has names that TOML can't hold: rename its columns, or write {out} by hand")
    write_atomically(out, content)


def check_free(out: Path, force: bool) -> None:
    """Raises `InputError` where something is at `out` that mustn't be replaced."""
    if out.is_dir():
        raise InputError(f"{out} must be a file, received a folder: pass another --out")
    if out.exists() and not force:
        raise InputError(f"{out} exists: pass another --out, or --force to replace it")


def _advice(survey: Survey) -> str:
    named = [field.name for field in survey.fields if field.kind != "left out"]
    return "pass a longer log" + (f", or --event with one of {', '.join(named)}" if named else "")


def _row(source: Path) -> str:
    """What a row is, by the name of its file: an order in orders.csv."""
    last = [word.removesuffix("s") for word in words(source.name.split(".")[0])][-1:]
    return last[0] if last and last[0] in _ROWS else "event"
