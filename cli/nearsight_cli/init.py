"""`nearsight init`: a look at a log, and a first file of questions for it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight.errors import InputError
from nearsight_cli.manual import manual, pasted
from nearsight_cli.output import Json, print_json, print_prose, print_table, print_text

if TYPE_CHECKING:
    from nearsight_training.draft import Draft
    from nearsight_training.fields import Field
    from nearsight_training.survey import Survey

__all__ = ["init", "register"]

_SHOWN = 15  # kinds of events
_LONGEST = 40  # characters of a name


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight init events.csv",
        "nearsight init events.csv --user user_id --time timestamp --event event --out mine.toml",
        "nearsight init orders.csv --every order --json",
    ]
    app.command(epilog=manual(examples, "Next: nearsight train FILE --questions FILE.toml, after a look at it."))(init)


def init(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV, JSON lines or Parquet log.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml", help="The file to write. Without it: the log's name, here.", show_default=False
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Says whose event it is. Without it: found.", show_default=False),
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Says when. Without it: found.", show_default=False)
    ] = None,
    event: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Says what happened. Without it: found.", show_default=False)
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What to call every row of a log that has no such column.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Look at a log, say what is in it and what is odd, and write a first file of questions for nearsight train."""
    from nearsight_training.draft import check_free, draft, write_draft

    if event is not None and every is not None:
        raise InputError("--every is for a log without a column of events, received --event as well: drop one of them")
    file = out or Path(f"{source.name.split('.')[0]}.toml")
    check_free(file, force)
    drafted = draft(source, user, time, event, every)
    write_draft(drafted, source, file, force)
    command = f"nearsight train {shlex.quote(str(source))} --questions {shlex.quote(str(file))}"
    if json:
        print_json({"file": str(file), "command": command, "draft": drafted})
    else:
        show(drafted, file, command)


def show(drafted: "Draft", file: Path, command: str) -> None:
    """Print what a log holds and what will be asked of it, and what comes next."""
    survey = drafted.survey
    print_table(survey.source, ["", "found"], _figures(survey), names=2)
    print_text()
    print_table("Events", ["event", "times", "share of users"], _kinds(survey))
    if survey.fields:
        print_text()
        print_table(
            "Further columns", ["column", "read as", "why"], [_field(field) for field in survey.fields], names=3
        )
    if survey.doubts:
        print_text()
    for doubt in survey.doubts:
        print_prose(f"Note: {doubt.text}")
    print_text()
    print_table(
        "Questions, and after how many of the events the answer is yes",
        ["name", "question", "yes"],
        list(_questions(drafted)),
        names=2,
    )
    print_text(f"\n{file} says so, with a comment on every line.")
    print_text(f"Next:\n{pasted(command, '  ')}")


def _figures(survey: "Survey") -> list[list[str]]:
    from nearsight_cli.duration import spoken

    per_user = f"{survey.median_events_per_user:g} in the median, {survey.most_events_per_user:,} at most"
    return [
        ["rows", f"{survey.rows:,}{f', of which {survey.lacking:,} lack something' if survey.lacking else ''}"],
        ["users", f"{survey.users:,}, in column {survey.roles.user}"],
        ["events of each", per_user],
        ["times", f"{spoken(survey.span_seconds)}, in column {survey.roles.time}"],
        ["", f"{survey.first} to {survey.last}"],
        ["names of events", _names(survey)],
    ]


def _names(survey: "Survey") -> str:
    if survey.roles.event is None:
        return f"no column of them, so each row is called {survey.kinds[0].name!r}: --event, --every change that"
    return f"{len(survey.kinds):,}, in column {survey.roles.event}"


def _kinds(survey: "Survey") -> list[list[str]]:
    rows = [
        [_short(kind.name), f"{kind.events:,}", f"{100 * kind.share_of_users:.1f} %"] for kind in survey.kinds[:_SHOWN]
    ]
    more = len(survey.kinds) - _SHOWN
    return [*rows, [f"and {more:,} more", "", ""]] if more > 0 else rows


def _field(field: "Field") -> list[str]:
    return [_short(field.name), f"{field.kind} (codes)" if field.numbered else field.kind, field.why]


def _questions(drafted: "Draft") -> list[list[str]]:
    """Each question's name, its meaning and how often its answer is yes."""
    from nearsight_training.declaration import Leaves, WillDo

    rows = []
    for question in (each for each in drafted.declaration.question if isinstance(each, WillDo | Leaves)):
        if isinstance(question, WillDo):
            chosen, meaning = question.within, f"will {' or '.join(map(_short, question.events))} happen within"
        else:
            chosen, meaning = question.span, "will nothing happen for"
        share = drafted.shares[question.name][chosen]
        rows.append([_short(question.name), f"{meaning} {chosen}?", f"{100 * share:.0f} %"])
    return [*rows, ["next_event", "which event comes next?", ""]] if drafted.declaration.next_event else rows


def _short(name: str) -> str:
    """A name on one line and not too long."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
