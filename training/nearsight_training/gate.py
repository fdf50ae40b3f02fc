"""The baseline gate: what simpler models reach on the same rows and splits, and whether the network is worth it."""

from collections.abc import Iterator

import msgspec

from nearsight_training.metrics import Interval

__all__ = ["ENOUGH", "Gate", "Rival", "lost", "verdict"]

ENOUGH = 100  # users with the rarer answer; with fewer of them nothing is claimed
_UNITS = {"auc": "AUC", "log_loss": "log loss"}
_PARTS = {"time": "when events happen", "order": "which event was last"}


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """A simpler model's figures, and how much higher the network's are on the same answers (paired)."""

    name: str
    figures: dict[str, Interval]
    ahead: dict[str, Interval]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A head of the network beside simpler models, by `figure`: "auc", or "log_loss" where less is better.

    `users` are those who gave the rarer answer. `absent` says which models aren't there and why. `needs` says by how
    much the figure is worse for the same simple model without "time" (gaps, ages) or "order" (which event was last).
    """

    figure: str
    users: int
    rivals: tuple[Rival, ...] = ()
    absent: dict[str, str] = {}
    needs: dict[str, Interval] = {}


def verdict(name: str, gate: Gate) -> Iterator[str]:
    """What the gate says of the head `name`: a sentence for each rival, and one for each part of the data."""
    for rival in gate.rivals:
        yield f"{name}: {_compared(gate, rival)}"
    if gate.users >= ENOUGH:
        for part, lost in gate.needs.items():
            yield f"{name}: {_needed(gate, part, lost)}"


def lost(name: str, gate: Gate) -> Iterator[str]:
    """Only the sentences on rivals that do better than the network."""
    for rival in gate.rivals:
        if gate.users >= ENOUGH and _bounds(gate, rival)[1] < 0:
            yield f"{name}: {_compared(gate, rival)}"


def _bounds(gate: Gate, rival: Rival) -> tuple[float, float]:
    """By how much the network does better, at least and at most."""
    change = rival.ahead[gate.figure]
    return (change.low, change.high) if gate.figure == "auc" else (-change.high, -change.low)


def _compared(gate: Gate, rival: Rival) -> str:
    change, figure = rival.ahead[gate.figure], rival.figures[gate.figure].value
    span = _signed(f"{_UNITS[gate.figure]} {figure:.3f}; difference {_span(change)}")
    if gate.users < ENOUGH:
        return (
            f"nothing is claimed about the network and {rival.name} ({span}): only {gate.users} test users gave the "
            f"rarer answer, and {ENOUGH} are needed."
        )
    better = "ranks better than" if gate.figure == "auc" else "foresees better than"
    low, high = _bounds(gate, rival)
    if low > 0:
        return f"the network {better} {rival.name} ({span})."
    if high < 0:
        return f"{rival.name} {better} the network ({span})."
    return f"the network can't be told apart from {rival.name} ({span})."


def _needed(gate: Gate, part: str, lost: Interval) -> str:
    model = "LightGBM" if gate.figure == "auc" else "a Markov chain"
    span = _signed(f"{_UNITS[gate.figure]} {_span(lost)}")
    if lost.low > 0:
        return f"{_PARTS[part]} matters, as {model} is worse without it ({span})."
    return f"{_PARTS[part]} isn't seen to matter, as {model} is no worse without it ({span})."


def _span(change: Interval) -> str:
    return f"{change.value:+.4f}, {change.low:+.4f} to {change.high:+.4f}"


def _signed(text: str) -> str:
    return text.replace("-", "−")
