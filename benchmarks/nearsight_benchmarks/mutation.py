"""Damage of all kinds, drawn from a generator: to bytes, to trees of JSON or MessagePack, and to events.

The choices depend on the generator's bits alone, so that a seed repeats them, and so that a fuzzer that writes those
bits (see `Fed`) steers them.
"""

import copy
import datetime
import decimal
import fractions
import random
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Fed", "altered_bytes", "altered_tree", "rewritten_bytes", "strange_event", "strange_value"]

_MOST_BYTES = 64  # that one change writes, takes away or doubles
_SIZES = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LEAVES: tuple[Callable[[], Any], ...] = (
    *(lambda number=number: number for number in (0, 1, -1, 2, 255, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1)),
    *(lambda number=number: number for number in (0.5, -0.0, 1e-308, 1e308, -1e308, 3.5e38)),
    *(lambda text=text: text for text in ("", "view", "\0", "../../x", "é" * 100, "x" * 50_000)),
    *(lambda value=value: value for value in (None, True, False)),
    list,
    dict,
    lambda: [0] * 1000,
    lambda: [[[[[[]]]]]],
)
_STRANGE: tuple[Any, ...] = (
    *(None, True, "", "view", "purchase", "\ud800", "\0", "x" * 100_000, b"view", bytearray(b"x"), (), [], {}, {1}),
    *(0, -1, 2**31, 2**63, 10**400, 10**5000, -(10**400), 0.0, -0.0, 5e-324, 1e308, -1e308),
    *(float("nan"), float("inf"), float("-inf"), 1j, 1.7e9, 1.7e12, -6.3e10, 253_402_300_799.0),
    *(fractions.Fraction(1, 3), fractions.Fraction(10**400), decimal.Decimal("1"), decimal.Decimal("sNaN")),
    *(np.float32(1), np.float64("nan"), np.int64(3), np.bool_(True), np.str_("view"), np.zeros(0), np.zeros((2, 2))),
    *(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 1), object(), len, Exception("x")),
)


class Fed(random.Random):
    """A generator whose bits come from `data`, and are zeros where that ends."""

    def __new__(cls, _: bytes) -> "Fed":
        """Without the seed that the parent class would make of its argument."""
        return super().__new__(cls)

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def getrandbits(self, k: int, /) -> int:
        """The next bits."""
        size = (k + 7) // 8
        taken = self._data[self._place : self._place + size]
        self._place += size
        return int.from_bytes(taken, "little") & ((1 << k) - 1)

    def random(self) -> float:
        """A number from 0 to 1."""
        return self.getrandbits(32) / (1 << 32)


def altered_bytes(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four changes, each to a few bytes; at times cut off."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice((_flip, _write, _size, _insert, _remove, _double, _cut))(changed, rng)
    return bytes(changed)


def rewritten_bytes(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four bits or numbers changed where they stand, so that nothing moves."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice((_flip, _size))(changed, rng)
    return bytes(changed[: len(content)])


def altered_tree(tree: Any, rng: random.Random) -> Any:
    """A copy of nested lists and dicts with one to three places changed, removed, doubled or exchanged."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        tree = _altered_place(tree, rng)
    return tree


def strange_value(rng: random.Random) -> Any:
    """A value of any kind, or a number or a text drawn."""
    drawn = rng.randrange(len(_STRANGE) + 3)
    if drawn < len(_STRANGE):
        return _STRANGE[drawn]
    return (rng.uniform(-1e12, 1e12), rng.getrandbits(70) - (1 << 69), chr(rng.randrange(0xD800)) * rng.randrange(9))[
        drawn - len(_STRANGE)
    ]


def strange_event(event: tuple[Any, ...], rng: random.Random) -> Any:
    """An event `(name, time, fields)` with a strange part, or something that is none."""
    if rng.randrange(8) == 0:
        return rng.choice((strange_value(rng), event[: rng.randrange(3)], (*event, strange_value(rng)), list(event)))
    name, time, fields = event
    place = rng.randrange(3)
    if place == 0:
        name = strange_value(rng)
    elif place == 1:
        time = strange_value(rng)
    else:
        fields = fields | {rng.choice((*fields, "other")): strange_value(rng)}
    return name, time, fields


def _flip(content: bytearray, rng: random.Random) -> None:
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _write(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at : at + rng.randrange(_MOST_BYTES)] = bytes(rng.getrandbits(8) for _ in range(rng.randrange(_MOST_BYTES)))


def _size(content: bytearray, rng: random.Random) -> None:
    """A number that sizes like to be, in one of the widths that formats use."""
    width = rng.choice((1, 2, 4, 8))
    at = rng.randrange(len(content) + 1)
    number = rng.choice(_SIZES) & ((1 << 8 * width) - 1)
    content[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))


def _insert(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = bytes([rng.getrandbits(8)]) * rng.randrange(_MOST_BYTES)


def _remove(content: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(content) + 1)
    del content[at : at + rng.randrange(_MOST_BYTES)]


def _double(content: bytearray, rng: random.Random) -> None:
    at, to = (rng.randrange(len(content) + 1) for _ in range(2))
    content[to:to] = content[at : at + rng.randrange(_MOST_BYTES)]


def _cut(content: bytearray, rng: random.Random) -> None:
    if rng.randrange(4) == 0:
        del content[rng.randrange(len(content) + 1) :]


def _altered_place(tree: Any, rng: random.Random) -> Any:
    """The tree with one place changed: the deeper it lies, the rarer."""
    if not isinstance(tree, (dict, list)) or not tree or rng.randrange(6) == 0:
        return rng.choice(_LEAVES)()
    keys: list[Any] = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key, kind = rng.choice(keys), rng.randrange(10)
    if kind == 0:
        del tree[key]
    elif kind == 1 and isinstance(tree, list):
        tree[key:key] = [tree[key]] * rng.randrange(4)
    elif kind == 1 and isinstance(tree, dict):
        tree[_strange_name(rng)] = tree[key]
    elif kind == 2:
        other = rng.choice(keys)
        tree[key], tree[other] = tree[other], tree[key]
    else:
        tree[key] = _altered_place(tree[key], rng)
    return tree


def _strange_name(rng: random.Random) -> str:
    """A key that hardly any object has."""
    return rng.choice(("", "name", "sha256", "\0", "../x", "x" * 1000))
