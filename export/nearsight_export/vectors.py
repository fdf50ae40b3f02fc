"""Invented histories for the conformance vectors: drawn from the specification's names and bounds, from no user."""

from typing import Any

import msgspec
import numpy as np

from nearsight.backends.reference import NumpyBackend
from nearsight.conformance import History, Moment, Played, Vectors, played
from nearsight.manifest import Manifest
from nearsight.spec import Category, Groups, Number, Spec
from nearsight.trunk import Weights
from nearsight_export.bounds import tolerances

__all__ = ["drawn", "invented"]

UNKNOWN = "a name that training never saw"
_LENGTHS = (1, 2, 5, 12, 17)
_EPOCH = 1_600_000_000.0  # any moment after 1970 will do
_UNUSUAL = 0.15  # how often a name is unknown and a field missing
_DIGITS = 9  # what float32 needs to be read back unchanged


def invented(manifest: Manifest, weights: Weights, seed: int) -> Vectors:
    """Draw histories and write down what the float32 reference makes of them; `weights` are calibrated."""
    backend = NumpyBackend(weights, manifest.trunk)
    histories = tuple(_expected(manifest, backend, history) for history in drawn(manifest.spec, seed))
    return Vectors(tolerances=tolerances(), histories=histories)


def drawn(spec: Spec, seed: int) -> list[History]:
    """Histories of a few lengths, without what is expected of them."""
    rng = np.random.default_rng(seed)
    return [_history(spec, rng, length) for length in _LENGTHS]


def _expected(manifest: Manifest, backend: NumpyBackend, history: History) -> History:
    results = list(played(manifest.spec, manifest.trunk, backend, history))
    moments = tuple(_filled(moment, result) for moment, result in zip(history.moments, results, strict=True))
    last = results[-1]
    return History(moments=moments, embedding=_numbers(last.embedding), state=_numbers(last.state))


def _filled(moment: Moment, result: Played) -> Moment:
    codes = tuple(result.codes[0].tolist())
    return msgspec.structs.replace(moment, codes=codes, numbers=_numbers(result.numbers), heads=_numbers(result.heads))


def _history(spec: Spec, rng: np.random.Generator, length: int) -> History:
    """`length` events; with a clock, a question follows every third, and one event's clock has jumped back.

    The longer ones also hold an event that no specification knows and one without any field.
    """
    moments: list[Moment] = []
    time = _EPOCH + float(rng.integers(0, 10_000_000))
    for place in range(length):
        time += _gap(spec, rng) if place else 0.0
        told = time - 3600.0 if place == 3 else time
        name = UNKNOWN if place == 4 else _name(spec.event, rng)
        fields = {} if place == 5 else _fields(spec, rng)
        moments.append(Moment(event=name, time=told if spec.clock else None, fields=fields))
        if spec.clock and place % 3 == 1:
            moments.append(Moment(event=None, time=time + _gap(spec, rng)))
    return History(moments=tuple(moments))


def _gap(spec: Spec, rng: np.random.Generator) -> float:
    """Whole seconds between events, drawn evenly in their logarithm up to beyond the largest gap that training kept."""
    longest = spec.clock.gap.high if spec.clock else 0.0
    return float(np.floor(np.exp(rng.uniform(0.0, np.log1p(1.2 * longest)))))


def _fields(spec: Spec, rng: np.random.Generator) -> dict[str, str | float | None]:
    fields: dict[str, Any] = {category.name: _name(category, rng) for category in spec.categories}
    fields |= {number.name: _value(number, rng) for number in spec.numbers}
    fields |= {groups.name: _grouped(groups, rng) for groups in spec.groups}
    if spec.steps:
        low, high = min(spec.steps.lows), max(spec.steps.highs)
        fields[spec.steps.name] = round(float(rng.uniform(low, high)), 4)
    missing = [name for name in fields if rng.random() < _UNUSUAL]
    for name in missing:
        del fields[name]
    return fields


def _name(category: Category, rng: np.random.Generator) -> str:
    if not category.vocabulary or rng.random() < _UNUSUAL:
        return UNKNOWN
    return str(rng.choice(np.array(category.vocabulary)))


def _value(number: Number, rng: np.random.Generator) -> float:
    """A number within the bounds or a little past them, which is clipped."""
    span = number.high - number.low
    return round(float(rng.uniform(number.low - 0.1 * span, number.high + 0.1 * span)), 4)


def _grouped(groups: Groups, rng: np.random.Generator) -> float:
    """Half of the time an edge itself, else a number a little before or behind one."""
    edge = float(rng.choice(groups.edges))
    return edge if rng.random() < 0.5 else round(edge + float(rng.normal()), 4)


def _numbers(array: Any) -> tuple[float, ...]:
    return tuple(float(f"{number:.{_DIGITS}g}") for number in array.ravel().tolist())
