"""Columns that give a person away are refused by name unless allowed, and no message shows a value."""

import random

import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.config import LogConfig
from nearsight_training.log import log_of
from nearsight_training.personal import known_values, personal

ROWS = 400


def luhn(digits):
    """A number with the check digit that its digits ask for, worked out from left to right."""
    total = sum(
        digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(map(int, reversed(digits)))
    )
    return digits + str(-total % 10)


def card(rng):
    return luhn("4" + "".join(rng.choices("0123456789", k=14)))


WORDS = [
    "please",
    "ring",
    "the",
    "bell",
    "twice",
    "because",
    "my",
    "neighbour",
    "sleeps",
    "until",
    "noon",
    "and",
    "leave",
    "it",
    "there",
]
VALUES = {
    "e-mail addresses": lambda rng: f"anna{rng.randrange(10**6)}@example.org",
    "phone numbers": lambda rng: f"+49 30 {rng.randrange(10**6, 10**7)}",
    "card numbers": card,
    "network addresses": lambda rng: f"10.{rng.randrange(256)}.{rng.randrange(256)}.1",
    "free text": lambda rng: " ".join(rng.sample(WORDS, 6)),
}


def table(column, values):
    frame = {
        "user": [f"u{row % 40}" for row in range(ROWS)],
        "time": [1.7e9 + 60 * row for row in range(ROWS)],
        "event": ["view"] * ROWS,
        column: values,
    }
    return Table("log.csv", pl.DataFrame(frame), 2)


def drawn(kind, share=1.0, other="shoes"):
    rng = random.Random(3)
    return [VALUES[kind](rng) if row < share * ROWS else f"{other} {row % 100}" for row in range(ROWS)]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("fields", [None, ("note",)])
def test_a_field_that_looks_personal_is_refused_without_a_value(kind, fields):
    values = drawn(kind)
    with pytest.raises(InputError, match=f"'note' .* {kind}.*--allow-personal note") as caught:
        log_of(table("note", values), LogConfig(fields=fields))
    assert not [value for value in values if value in str(caught.value)]


@pytest.mark.parametrize("kind", VALUES)
def test_it_is_read_where_it_is_allowed(kind):
    assert "note" in log_of(table("note", drawn(kind)), LogConfig(allowed=("note",))).fields


def test_a_field_that_isnt_read_isnt_refused():
    assert log_of(table("note", drawn("e-mail addresses")), LogConfig(fields=())).fields == {}


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical])
def test_how_a_file_stores_names_doesnt_matter(dtype):
    frame = table("note", drawn("e-mail addresses"))
    with pytest.raises(InputError, match="e-mail"):
        log_of(Table("log.parquet", frame.frame.with_columns(pl.col("note").cast(dtype)), 1), LogConfig())


def test_cards_as_whole_numbers_are_cards():
    cards = [int(value) for value in drawn("card numbers")]
    assert "card" in personal("number", known_values(pl.Series(cards)))


@pytest.mark.parametrize(
    ("kind", "below", "above"),
    [("e-mail addresses", 0.02, 0.2), ("phone numbers", 0.5, 1.0), ("card numbers", 0.5, 1.0)],
)
def test_a_share_decides(kind, below, above):
    """One address among ten values is enough; a number may look like a phone's or a card's by chance."""
    assert personal("note", pl.Series(drawn(kind, above))).endswith(kind)
    assert personal("note", pl.Series(drawn(kind, below))) == ""


def test_a_check_digit_that_is_wrong_makes_no_card():
    wrong = [value[:-1] + str((int(value[-1]) + 1) % 10) for value in drawn("card numbers")]
    assert personal("number", pl.Series(wrong)) == ""
