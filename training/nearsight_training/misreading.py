"""Where a TOML file says something that isn't known, and what was probably meant."""

import difflib
import re
from collections.abc import Mapping, Sequence

__all__ = ["misread"]


def misread(text: str, error: str, known: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """The line, as ", line 7", and the advice for a `msgspec` error about `text`.

    `known` are the words that each table may hold, "" for those above all tables.
    """
    place = re.search(r"`\$\.?(.*?)`$", error)
    table, number, key = _parts(place[1] if place else "")
    wrong = re.search(r"unknown field `(.*?)`", error) or re.search(r"Invalid value '(.*?)'", error)
    line = _line(text, table, number, wrong[1] if wrong and "unknown" in error else key)
    near = difflib.get_close_matches(wrong[1], known.get(table, ()), 1, 0.5) if wrong else []
    return f", line {line}", f"did you mean {near[0]!r}?" if near else "correct it"


def _parts(path: str) -> tuple[str, int, str]:
    """Table, which of that name, and key of a path such as `question[1].within`."""
    found = re.fullmatch(r"(\w+)\[(\d+)\](?:\.(\w+).*)?", path)
    if found:
        return found[1], int(found[2]), found[3] or ""
    table, _, key = path.partition(".")
    return table, 0, re.sub(r"\W.*", "", key)


def _line(text: str, table: str, number: int, key: str) -> int:
    """The line that holds `key` in a table, or the table's header; a file without it is wrong in its first line."""
    lines = text.splitlines()
    headers = [place for place, line in enumerate(lines) if re.match(rf"\s*\[+\s*{re.escape(table)}\s*\]+", line)]
    start = headers[number] if table and number < len(headers) else -1
    for place in range(start + 1, len(lines)):
        if re.match(r"\s*\[", lines[place]):
            break
        if key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", lines[place]):
            return place + 1
    return max(start, 0) + 1
