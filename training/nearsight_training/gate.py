"""The baseline gate: what simpler models reach on the same rows and splits, and whether the network is worth it."""

from collections.abc import Iterator

import msgspec

from nearsight_training.metrics import Interval

__all__ = ["ENOUGH", "Gate", "Reliance", "Rival", "compared", "lost", "verdict"]

ENOUGH = 100  # users with the rarer answer; with fewer of them nothing is claimed
_UNITS = {"auc": "AUC", "log_loss": "log loss", "rmse": "root mean squared error"}
_PARTS = {"time": "when events happen", "order": "what the last event was"}
_RELIES = {
    "order": ("the order of events", "with the events of each test history shuffled"),
    "time": ("when events happen", "with all gaps and ages at their training means"),
}


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """A simpler model's figures, and how much higher the network's are on the same answers (paired)."""

    name: str
    figures: dict[str, Interval]
    ahead: dict[str, Interval]


class Reliance(msgspec.Struct, frozen=True, kw_only=True):
    """By how much a trained network's figure is worse without a part of the data, and how many users tell it."""

    users: int
    cost: Interval


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A head of the network beside simpler models, by `figure`: "auc", or "log_loss" and "rmse" where less is better.

    `users` are those who tell: who gave the rarer answer, or have a known number or next event. `absent` says which
    models aren't there and why. `needs` says by how much the figure is worse for the same simple model without "time"
    (gaps, ages) or "order" (what the last event was). `relies` says the same of the network as it is, asked without
    "order" or "time" and not trained anew.
    """

    figure: str
    users: int
    rivals: tuple[Rival, ...] = ()
    absent: dict[str, str] = {}
    needs: dict[str, Interval] = {}
    relies: dict[str, Reliance] = {}


def verdict(name: str, gate: Gate) -> Iterator[str]:
    """What the gate says of the head `name`: a sentence for each rival, and one for each part of the data."""
    for rival in gate.rivals:
        yield f"{name}: {_compared(gate, rival)}."
    if gate.users >= ENOUGH:
        for part, cost in gate.needs.items():
            yield f"{name}: {_needed(gate, part, cost)}."
    for part, reliance in gate.relies.items():
        if reliance.users >= ENOUGH:
            yield f"{name}: {_relied(gate, part, reliance.cost)}."


def lost(name: str, gate: Gate) -> Iterator[str]:
    """Only the sentences on rivals that do better than the network."""
    for rival in gate.rivals:
        if gate.users >= ENOUGH and _gained(gate, rival).high < 0:
            yield f"{name}: {_compared(gate, rival)}."


def compared(rival: str, gained: Interval, users: int, detail: str = "", better: str = "ranks better than") -> str:
    """What may be said of the network and a rival: no more than the interval allows, and nothing from few users.

    `gained` is by how much the network does better, `users` how many tell it.
    """
    detail = f" ({detail})" if detail else ""
    if users < ENOUGH:
        return f"nothing is claimed about the network and {rival}{detail}: {users} test users tell, {ENOUGH} are needed"
    if gained.low > 0:
        return f"the network {better} {rival}{detail}"
    if gained.high < 0:
        return f"{rival} {better} the network{detail}"
    return f"the network can't be told apart from {rival}{detail}"


def _compared(gate: Gate, rival: Rival) -> str:
    change, figure = rival.ahead[gate.figure], rival.figures[gate.figure].value
    detail = (
        f"{_UNITS[gate.figure]} {figure:.3f}; difference {change.value:+.4f}, {change.low:+.4f} to {change.high:+.4f}"
    )
    better = "ranks better than" if gate.figure == "auc" else "foresees better than"
    return compared(rival.name, _gained(gate, rival), gate.users, detail.replace("-", "−"), better)


def _gained(gate: Gate, rival: Rival) -> Interval:
    change = rival.ahead[gate.figure]
    return change if gate.figure == "auc" else Interval(-change.value, -change.high, -change.low)


def _needed(gate: Gate, part: str, cost: Interval) -> str:
    model = "LightGBM" if gate.figure == "auc" else "the Markov chain"
    loses = _lost(gate, cost)
    if cost.low > 0:
        return f"{_PARTS[part]} matters, since without it {model} is worse by {loses}"
    return f"{_PARTS[part]} isn't seen to matter: without it {model} is worse by {loses}"


def _relied(gate: Gate, part: str, cost: Interval) -> str:
    what, how = _RELIES[part]
    loses = f"{how}, and nothing trained anew, it is worse by {_lost(gate, cost)}"
    if cost.low > 0:
        return f"the network relies on {what}: {loses}"
    if cost.high < 0:
        return f"{what} misleads the network: {loses}"
    return f"it can't be told whether the network relies on {what}: {loses}"


def _lost(gate: Gate, cost: Interval) -> str:
    return f"{cost.value:.4f} of {_UNITS[gate.figure]} ({cost.low:.4f} to {cost.high:.4f})".replace("-", "−")
