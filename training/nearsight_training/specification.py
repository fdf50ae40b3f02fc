"""Fits the feature specification: vocabularies, bounds and scales, learned from the training users' events alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import segment_starts
from nearsight.errors import InputError
from nearsight.names import Names
from nearsight.spec import Category, Clock, Number, Reset, Spec
from nearsight_training.counts import check_counts, so_far
from nearsight_training.groups import fit_groups
from nearsight_training.log import EventLog

__all__ = ["fit_category", "fit_number", "fit_spec", "handled"]

_MOST_NAMES = 1000  # a longer vocabulary costs the device more memory than the whole network
_TAIL = 0.1  # percent of the values beyond each bound
_ENOUGH_FOR_TAILS = 1000
_SKEWED = 1.0
_SKEWED_BOTH_WAYS = 2.0  # of sizes, where there are negative values; those of a normal variable have 1
_PARTS = 5  # of a number, between quantiles; 8 did no better on four public data sets
_FEWEST_PARTS = 3
_DIGITS = 6  # of an edge, behind the point: two that are nearer to each other are one
_NAMED = 10  # fields in one note
_HOUR_SECONDS, _DAY_SECONDS = 3600, 86400
_YEAR_SECONDS = 365.2425 * _DAY_SECONDS
_YEARS_FOR_SEASONS = 2

_NEVER = Reset()
_NO_GROUPS: Mapping[str, int | tuple[float, ...]] = {}

Mask = NDArray[np.bool_]


def fit_spec(
    log: EventLog,
    seen: Mask,
    min_users: int,
    reset: Reset = _NEVER,
    groups: Mapping[str, int | tuple[float, ...]] = _NO_GROUPS,
    counts: Sequence[str] = (),
) -> tuple[Spec, tuple[str, ...]]:
    """The specification that the events in `seen` (E,) give, and notes on the fields that were left out.

    `seen` must keep whole beginnings of histories; `groups` and `counts` are those of `LogConfig`. Raises `InputError`
    where no kind of event has `min_users` users, or one that is to be counted hasn't.
    """
    owners = log.owners[seen]
    event = fit_category("event", log.names[seen], owners, min_users)
    if not event.vocabulary:
        raise InputError(f"no kind of event has {min_users} training users: pass a larger log or a smaller --min-users")
    check_counts(counts, log, event.vocabulary, min_users)
    counted = tuple(_count(name, so_far(log, name, reset)[seen]) for name in dict.fromkeys(counts))
    categories, numbers, parted = [], [], []
    notes: list[str] = []
    for name, values in log.fields.items():
        if name in groups:
            found, said = fit_groups(name, groups[name], values[seen], owners, min_users)
            parted += [found] if found else []
            notes += said
        elif values.dtype.kind == "f":
            number = fit_number(name, values[seen])
            numbers += [number] if number else []
            notes += [] if number else [f"{name}: left out, it never varies"]
        else:
            category = fit_category(name, values[seen], owners, min_users)
            useful = len(category.vocabulary) > 1 or (category.vocabulary and (values[seen] == "").any())
            categories += [category] if useful else []
            notes += [] if useful else [f"{name}: left out, fewer than two values have {min_users} users each"]
    clock = _clock(log, seen, reset)
    spec = Spec(
        event=event,
        categories=tuple(categories),
        groups=tuple(parted),
        numbers=tuple(numbers),
        clock=clock,
        counts=counted,
        reset=reset,
    )
    seen_counts = ", ".join(f"{number.name} (up to {number.high:.6g})" for number in counted)
    notes += [f"counts so far that the model sees: {seen_counts}"] if counted else []
    return spec, tuple(notes)


def handled(log: EventLog, seen: Mask, spec: Spec) -> tuple[str, ...]:
    """Notes on the values in `seen` (E,) that `spec` copes with: missing ones, and those beyond a field's bounds."""
    fields = {name: log.fields[name][seen] for name in spec.fields}
    gaps = {name: np.isnan(each) if each.dtype.kind == "f" else each == "" for name, each in fields.items()}
    beyond = {
        number.name: (known < number.low) | (known > number.high)
        for number in spec.numbers
        if len(known := fields[number.name][~gaps[number.name]])
    }
    notes = {
        "values that are missing, which are learned as unknown": _shares(gaps),
        "outliers in the training data, which are clipped to the bounds of nearly all values": _shares(beyond),
    }
    return tuple(f"{what}: {shares}" for what, shares in notes.items() if shares)


def _shares(found: dict[str, Mask]) -> str:
    """How often each field has what was found, the most frequent first, and nothing of those that never do."""
    shares = {name: float(each.mean()) for name, each in found.items() if each.any()}
    first = sorted(shares, key=lambda name: -shares[name])[:_NAMED]
    spoken = [f"{name} {f'{100 * shares[name]:.1f}' if shares[name] >= 0.001 else 'less than 0.1'} %" for name in first]
    more = [f"and {len(shares) - _NAMED} more fields"] if len(shares) > _NAMED else []
    return ", ".join([*spoken, *more])


def fit_category(name: str, values: Names | NDArray[np.str_], owners: NDArray[np.int64], min_users: int) -> Category:
    """The vocabulary of a field: the values `(E,)` of at least `min_users` users, the most widespread first.

    A rarer value gets no entry: it could point to a person, and it must not ship in a model.
    """
    coded = Names.of(values)
    spelled, order = coded.vocabulary, np.lexsort((owners, coded.codes))
    codes, owners = coded.codes[order], owners[order]
    again = (owners[1:] == owners[:-1]) & (codes[1:] == codes[:-1])
    users = np.bincount(np.delete(codes, np.flatnonzero(again) + 1), minlength=len(spelled))
    order = np.argsort(-users, kind="stable")[:_MOST_NAMES]
    return Category(
        name=name, vocabulary=tuple(str(spelled[k]) for k in order if users[k] >= min_users and spelled[k] != "")
    )


def fit_number(name: str, values: NDArray[np.float64]) -> Number | None:
    """Bounds, transform and scale of a numeric field `(E,)`, or None where it never varies.

    The bounds leave a thousandth of the values beyond each, or are the extremes where there are few values; a skewed
    field gets a logarithm.
    """
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = _bounds(known)
    clipped = np.clip(known, low, high)
    log = _skew(clipped if low >= 0 else np.abs(clipped)) > (_SKEWED if low >= 0 else _SKEWED_BOTH_WAYS)
    told = np.copysign(np.log1p(np.abs(clipped)), clipped) if log else clipped
    mean, scale = _standard(told)
    if scale == 0:
        return None
    return Number(
        name=name,
        low=low,
        high=high,
        log=log,
        mean=mean,
        scale=scale,
        flag=len(known) < len(values),
        edges=_edges((told - mean) * scale),
    )


def _count(name: str, values: NDArray[np.float64]) -> Number:
    """How often an event has happened so far `(E,)`: from 0, where every history begins, by its logarithm."""
    high = max(_bounds(values)[1], 1.0)
    mean, scale = _standard(np.log1p(np.minimum(values, high)))
    return Number(name=name, low=0.0, high=high, log=True, mean=mean, scale=scale or 1.0)


def _bounds(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [_TAIL, 100 - _TAIL] if len(values) >= _ENOUGH_FOR_TAILS else [0, 100])
    return float(low), float(high)


def _clock(log: EventLog, seen: Mask, reset: Reset) -> Clock:
    """What is read of time. The season is, where each has passed twice.

    Within a shorter log every season is one stretch of days: it would tell the date, and so how near an event lies to
    the cut between past and future, where labels are known of some answers only. What is learned of a date says
    nothing of the same season a year later.
    """
    times = log.times[seen]
    begins = segment_starts(reset, log.times, log.starts, len(log.times))
    gaps = np.diff(log.times, prepend=log.times[0])
    gaps[begins] = -1.0
    firsts = np.repeat(log.times[begins], np.diff(begins, append=len(log.times)))
    later = seen & (gaps >= 0)
    span = float(times.max() - times.min())
    ends = np.flatnonzero(seen & ~np.append(seen[1:] & (log.owners[1:] == log.owners[:-1]), False))
    return Clock(
        gap=_duration("gap", gaps[later], times.max() - log.times[ends], span),
        age=_duration("age", (log.times - firsts)[later], times.max() - firsts[ends], span),
        hour=_varies(times // _HOUR_SECONDS % 24),
        weekday=_varies(times // _DAY_SECONDS % 7),
        season=span >= _YEARS_FOR_SEASONS * _YEAR_SECONDS,
    )


def _duration(name: str, values: NDArray[np.float64], still: NDArray[np.float64], longest: float) -> Number:
    """A span of time in seconds; clipped only where it exceeds all of the data, since silence can last that long.

    The edges are quantiles of `values`, between events, and of what is `still` going on when the data end, together:
    questions between events are asked about both.
    """
    mean, scale = _standard(np.log1p(values)) if len(values) else (0.0, 0.0)
    high, scale = max(longest, 1.0), scale or 1.0
    edges = _edges((np.log1p(np.minimum(np.concatenate([values, still]), high)) - mean) * scale)
    return Number(name=name, low=0.0, high=high, log=True, mean=mean, scale=scale, edges=edges)


def _edges(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Quantiles of standardised values, without repetition; none where too few are different."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _PARTS + 1)).round(_DIGITS)) if len(values) else np.zeros(0)
    return tuple(edges.tolist()) if len(edges) > _FEWEST_PARTS else ()


def _standard(values: NDArray[np.float64]) -> tuple[float, float]:
    spread = float(values.std())
    return float(values.mean()), 1 / spread if spread > 1e-9 * max(1.0, float(np.abs(values).max())) else 0.0


def _skew(values: NDArray[np.float64]) -> float:
    spread = values.std()
    return float(np.mean(((values - values.mean()) / spread) ** 3)) if spread > 0 else 0.0


def _varies(values: NDArray[Any]) -> bool:
    return bool((values != values[0]).any())
