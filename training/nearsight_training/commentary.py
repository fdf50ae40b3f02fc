"""A declaration as TOML with a comment on every line, for a reader who has never seen one."""

import json
import math
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nearsight_training.config import Cleaning
from nearsight_training.declaration import Columns, Declaration, Leaves, WillDo, seconds
from nearsight_training.doubts import BURST_EVENTS
from nearsight_training.survey import Survey

__all__ = ["commented"]

_WIDTH = 98
_SHOWN = 15  # kinds of events
_ALTERNATIVES, _RARE = 4, 0.01


def commented(
    survey: Survey, declaration: Declaration, shares: dict[str, dict[str, float]], source: Path, out: Path
) -> str:
    """The declaration, as TOML that reads back as it; `shares` are of yes by question and duration.

    `source` and `out` are named in the command that trains.
    """
    drafted = (each for each in declaration.question if isinstance(each, WillDo | Leaves))
    asked = (_question(survey, each, shares.get(each.name, {})) for each in drafted)
    about = (_log(survey, declaration.log), _clean(survey, declaration.clean))
    parts = (_head(survey, source, out), _next(declaration), *about, *asked, _more())
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(survey: Survey, source: Path, out: Path) -> Iterator[str]:
    yield from _comment(
        f"What nearsight reads of {source.name}, and what it asks. Proposed after a look at {survey.events:,} events "
        f"of {survey.users:,} users from {survey.first} to {survey.last}."
    )
    yield from _comment("Change what you know better, then:")
    yield from _comment(f"  nearsight train {shlex.quote(str(source))} --questions {shlex.quote(str(out))}", wrap=False)
    for doubt in survey.doubts:
        yield from _comment(f"Note: {doubt.text}.")


def _next(declaration: Declaration) -> Iterator[str]:
    yield from _comment("Learn which event comes next, too. That needs two kinds of events at least.")
    yield f"next_event = {str(declaration.next_event).lower()}"


def _log(survey: Survey, log: Columns) -> Iterator[str]:
    yield "[log]"
    yield from _comment(
        "The column that says whose event it is. It says which events belong together, and is not learned."
    )
    yield f"user = {_quoted(log.user)}"
    yield from _comment("The column that says when: ISO 8601, or seconds since 1970.")
    yield f"time = {_quoted(log.time)}"
    yield from _events(survey, log)
    yield from _fields(survey, log)
    yield from _comment("A name that fewer users have stays out of the model, so that it can't give anybody away.")
    yield f"min_users = {log.min_users}"
    yield from _comment(
        "A history starts anew with the first event after such a gap, which makes sessions; else never."
    )
    yield '# reset_after = "30m"'


def _events(survey: Survey, log: Columns) -> Iterator[str]:
    if log.every is not None:
        yield from _comment("What each row is. With a column that says so, write event = and its name instead.")
        yield f"every = {_quoted(log.every)}"
        return
    yield from _comment("The column that says what happened:")
    for kind in survey.kinds[:_SHOWN]:
        yield from _comment(
            f"  {_quoted(kind.name)}  {kind.events:,} times, by {_percent(kind.share_of_users)} of users"
        )
    if len(survey.kinds) > _SHOWN:
        yield from _comment(f"  and {len(survey.kinds) - _SHOWN:,} more")
    yield f"event = {_quoted(log.event)}"


def _fields(survey: Survey, log: Columns) -> Iterator[str]:
    yield from _comment(
        "Further columns to learn from. List only what your app knows when the event happens; [] is none, and a "
        "column that is left out can be added."
        if any(field.kind == "left out" for field in survey.fields)
        else "Further columns to learn from. List only what your app knows when the event happens; [] is none."
    )
    for field in survey.fields:
        if field.kind == "left out":
            yield from _comment(f"  {_quoted(field.name)} is left out: {field.why}")
    yield from _array("fields", log.fields or ())
    yield from _comment("Those of them whose numbers are only names, such as a product's.")
    yield from _array("categories", log.categories)
    yield from _comment(
        "Those of which the model sees only the group, so that it can't know anybody's exact one: edges, or 5 for five "
        "groups of about as many users."
    )
    each = ", ".join(f"{_quoted(name)} = {_edges(asked)}" for name, asked in log.groups.items())
    yield f"groups = {{ {each} }}" if each else "# groups = { age = [18, 30, 45, 65] }"


def _clean(survey: Survey, clean: Cleaning) -> Iterator[str]:
    yield "[clean]"
    yield from _comment(
        f"Rows without a user, a time or an event, {_found(survey.lacking, survey.rows)}: drop them, or refuse the log."
    )
    yield f'{"# " if clean.missing == "refuse" else ""}missing = "drop"'
    yield from _comment(
        f"Rows that equal another one in every column that is read, {_found(survey.repeats, survey.events)}: drop all "
        "but one of them; else they are kept."
    )
    yield '# duplicates = "drop"'
    yield from _comment(
        f"Users with more events than this within a minute, {_found(survey.bots, survey.users)}: drop them with all "
        "that they did, as bots; else they are kept."
    )
    yield f"# most_per_minute = {BURST_EVENTS}"


def _found(count: int, total: int) -> str:
    return f"{count:,} of {total:,}" if count else "of which there are none"


def _question(survey: Survey, question: WillDo | Leaves, shares: dict[str, float]) -> Iterator[str]:
    yield "[[question]]"
    yield from _meaning(survey, question)
    yield f'kind = "{"will_do" if isinstance(question, WillDo) else "inactive"}"'
    yield from _comment(f"What your app calls the answer: reading[{_quoted(question.name)}].")
    yield f"name = {_quoted(question.name)}"
    if isinstance(question, WillDo):
        yield from _comment("One of these events is enough for a yes.")
        yield from _array("events", question.events)
        yield from _duration("within", question.within, shares)
    else:
        yield from _duration("for", question.span, shares)
        yield from _comment("Ask only of who did something as recently as this; else of everybody.")
        yield f"# active_within = {_quoted(question.span)}"
        yield from _comment("Only these count as doing something; else all do.")
        yield f"# events = {_list(kind.name for kind in survey.kinds[:1])}"


def _meaning(survey: Survey, question: WillDo | Leaves) -> Iterator[str]:
    if isinstance(question, Leaves):
        yield from _comment("Will the user do nothing at all for so long? 95 % of the gaps between events are shorter.")
        return
    done = {kind.name: kind for kind in survey.kinds}
    for kind in (done[event] for event in question.events):
        yield from _comment(
            f"Will the user do {_quoted(kind.name)} within so long? "
            f"{_percent(kind.share_of_users)} of users ever do, {kind.events:,} times in all."
        )


def _duration(key: str, chosen: str, shares: dict[str, float]) -> Iterator[str]:
    """The line that says how far ahead, and those that it could be instead."""
    share = f"After {_percent(shares[chosen])} of the events the answer is yes. " if chosen in shares else ""
    yield from _comment(f"How far ahead: m, h, d or w. {share}The log must span more than twice as long.")
    yield f"{key} = {_quoted(chosen)}"
    for other in _alternatives(shares, chosen):
        yield from _comment(f"{key} = {_quoted(other)}  yes after {_percent(shares[other])}")


def _alternatives(shares: dict[str, float], chosen: str) -> list[str]:
    """Up to four durations with answers of both kinds, those nearest to the chosen one."""
    telling = [each for each, share in shares.items() if each != chosen and _RARE <= share <= 1 - _RARE]
    nearest = sorted(telling, key=lambda each: abs(math.log(seconds(each) / seconds(chosen))))[:_ALTERNATIVES]
    return sorted(nearest, key=seconds)


def _more() -> Iterator[str]:
    yield from _comment("Any number of questions can follow, each with a name of its own.")


def _edges(asked: int | tuple[float, ...]) -> str:
    return str(asked) if isinstance(asked, int) else f"[{', '.join(f'{edge:.15g}' for edge in asked)}]"


def _array(key: str, names: Sequence[str]) -> list[str]:
    """A key and its names, each on a line of its own where one line would be long."""
    line = f"{key} = {_list(names)}"
    return [line] if len(line) <= _WIDTH else [f"{key} = [", *(f"    {_quoted(name)}," for name in names), "]"]


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, names))}]"


def _quoted(text: str) -> str:
    """A basic string of TOML; it escapes as JSON does, and DEL besides."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _comment(text: str, wrap: bool = True) -> list[str]:
    """Lines of a comment, in which TOML forbids control characters."""
    plain = re.sub(r"[\x00-\x1f\x7f]", " ", text.encode(errors="replace").decode())
    indent = " " * (len(plain) - len(plain.lstrip(" ")))
    lines = textwrap.wrap(plain, _WIDTH, subsequent_indent=indent) if wrap else [plain]
    return [f"# {line}" for line in lines]


def _percent(share: float) -> str:
    """A share that is neither rounded to nothing nor to all.

    >>> _percent(0.213), _percent(0.0004), _percent(0.9996)
    ('21 %', 'less than 1 %', 'more than 99 %')
    """
    if 0 < share < 0.005:
        return "less than 1 %"
    return "more than 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"
