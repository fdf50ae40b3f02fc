"""What a compressed step may cost: bytes, microseconds and accuracy, as a person says it."""

import re
from collections.abc import Iterator

import msgspec

from nearsight.errors import InputError

__all__ = ["Budget", "Excess"]

_SCALES = {"b": 1, "kb": 1000, "mb": 1e6, "us": 1, "µs": 1, "ms": 1000}  # to bytes and to microseconds
_TIMES = ("us", "µs", "ms")
_MOST_LOST = 0.5  # of AUC: there is no more above chance
_EXAMPLE = '"32kB, 10us, -0.002 auc"'


class Excess(msgspec.Struct, frozen=True):
    """A limit that isn't kept: in words, and how many times what is allowed."""

    said: str
    times: float


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a step artifact: its bytes, the median microseconds of one step, and the score that it may lose.

    The score is AUC, or nats of log loss where a model has no yes/no question, as `unit` says. None is no limit.
    """

    bytes: float | None = None
    p50_us: float | None = None
    lost: float | None = None
    unit: str = "auc"

    @classmethod
    def of(cls, text: str) -> "Budget":
        """A budget such as "32kB, 10us, -0.002 auc", in any order. Raises `InputError` where it isn't one."""
        found: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, limit = _limit(part)
            if name in found:
                raise InputError(f"a budget has one limit of each kind, received two in {text!r}: leave one out")
            found[name] = limit
        if not found:
            raise InputError(f"a budget must look like {_EXAMPLE}, received {text!r}: name a limit")
        return cls(**found, unit="nats" if "nats" in text.lower() else "auc")

    def exceeded(self, size: float, p50_us: float, lost: float) -> Iterator[Excess]:
        """Every limit that figures don't keep."""
        if self.bytes is not None and size > self.bytes:
            yield Excess(f"{size / 1000:.1f} kB where {self.bytes / 1000:g} are allowed", size / self.bytes)
        if self.p50_us is not None and p50_us > self.p50_us:
            yield Excess(f"{p50_us:.1f} µs where {self.p50_us:g} are allowed", p50_us / self.p50_us)
        if self.lost is not None and lost > self.lost:
            times = lost / self.lost if self.lost else float("inf")
            yield Excess(f"{lost:.4f} {self.unit} lost where {self.lost:g} is allowed", times)


def _limit(part: str) -> tuple[str, float]:
    """The name of a limit and its value in bytes, microseconds or the score."""
    found = re.fullmatch(r"([-+]?\d+(?:\.\d+)?)\s*([a-zµ]+)", part.replace("−", "-").replace("μ", "µ").lower())
    number, unit = (float(found[1]), found[2]) if found else (0.0, "")
    if (unit == "auc" and -_MOST_LOST < number <= 0) or (unit == "nats" and number <= 0):
        return "lost", -number
    if unit in _SCALES and number > 0:
        return "p50_us" if unit in _TIMES else "bytes", number * _SCALES[unit]
    raise InputError(
        f"a budget must look like {_EXAMPLE}, received {part!r}: name bytes as B, kB or MB, a step's time as us or ms, "
        "and what may be lost as a negative number of auc (or nats)"
    )
