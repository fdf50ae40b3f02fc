"""Secrets planted in every column of a log reach no message, note, specification or declaration's answer."""

import csv
import io
import random
import traceback
from pathlib import Path

import msgspec
import pytest

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import Label, LogConfig, Target
from nearsight_training.log import read_log
from nearsight_training.preparation import prepare
from nearsight_training.table import read_table

SECRET = "Kx7secretive"
COLUMNS = ("user", "time", "event", "price", "plan", "fraud")
CONFIG = LogConfig(
    split="user",
    targets=(
        Target(name="buys", events=("purchase",), within_seconds=86_400.0),
        Label(name="fraud", column="fraud", delay_seconds=60.0),
    ),
)


def rows() -> list[dict[str, object]]:
    rng = random.Random(2)
    return [
        {
            "user": f"u{number % 50}",
            "time": 1_700_000_000 + 20_000 * number,
            "event": rng.choice(["view", "view", "purchase"]),
            "price": rng.randrange(90),
            "plan": rng.choice(["free", "paid"]),
            "fraud": rng.randrange(2),
        }
        for number in range(900)
    ]


def written(path: Path, table: list[dict[str, object]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_bytes(b"\n".join(map(msgspec.json.encode, table)))
        return path
    text = io.StringIO()
    lines = csv.DictWriter(text, list(table[0]), extrasaction="ignore")
    lines.writeheader()
    lines.writerows(table)
    path.write_text(text.getvalue())
    return path


def said(path: Path) -> str:
    """The message, with all that led to it, or everything that is learned and noted."""
    try:
        found = prepare(read_log(path, CONFIG), CONFIG)
    except InputError as error:
        return "".join(traceback.format_exception(error))
    return msgspec.json.encode((found.spec, found.heads, found.notes)).decode()


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "secret", [SECRET, f"{SECRET}@example.org", f'"{SECRET}"\n', f"1700000000{SECRET}", 7.123454321e9]
)
def test_one_planted_value_stays_where_it_is(column: str, ending: str, secret: object, tmp_path: Path) -> None:
    table = rows()
    table[450][column] = secret
    left = said(written(tmp_path / f"log{ending}", table))
    assert SECRET not in left
    assert "7123454321" not in left


@pytest.mark.parametrize("column", COLUMNS[2:])
def test_values_of_their_own_for_every_row_stay_where_they_are(column: str, tmp_path: Path) -> None:
    table = [row | {column: f"{SECRET}{number}"} for number, row in enumerate(rows())]
    assert SECRET not in said(written(tmp_path / "log.csv", table))


@pytest.mark.parametrize("line", [SECRET, f'{{"user": "{SECRET}"', f'["{SECRET}"]', f'{{"time": {SECRET}}}'])
def test_a_line_that_isnt_json_isnt_shown(line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "log.jsonl", rows())
    path.write_text(f"{path.read_text()}\n{line}")
    assert SECRET not in said(path)


@pytest.mark.parametrize("column", ["a", "label"])
def test_a_wide_tables_values_stay_where_they_are(column: str, tmp_path: Path) -> None:
    table = [{"a": number, "label": number % 2} for number in range(30)]
    table[4][column] = SECRET
    with pytest.raises(InputError, match="line 6") as caught:
        read_table(Table.read(written(tmp_path / "wide.csv", table)))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
