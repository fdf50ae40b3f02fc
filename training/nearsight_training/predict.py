"""Scores new histories or new rows with a bundle: `nearsight predict` in one call, without TensorFlow."""

from pathlib import Path

import msgspec
import numpy as np
import polars as pl

import nearsight
from nearsight import Insight
from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Value, ValueHead
from nearsight.spec import Spec
from nearsight_training.columns import Table, moment, numbers_of, spoken
from nearsight_training.config import LogConfig
from nearsight_training.log import EventLog, log_of
from nearsight_training.table import EVENT, VALUE, read_steps

__all__ = ["Prediction", "Predictions", "predict"]

_History = list[tuple[str, float | None, dict[str, object]]]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One history's or row's answers: `who` is the user, or the row's number from 1; by head.

    `segment` is the user's, None where the model has none.
    """

    who: str
    probability: dict[str, float]
    yes: dict[str, bool]
    value: dict[str, Value] = {}
    segment: str | None = None


class Predictions(msgspec.Struct, frozen=True, kw_only=True):
    """Answers in order of the users' names, or of the table's rows, and the runtime that gave them."""

    runtime: str
    predictions: tuple[Prediction, ...]


def predict(
    bundle: str | Path,
    source: Path,
    *,
    user: str = "user",
    time: str = "time",
    event: str = "event",
    at: str | float | None = None,
    runtime: str = "auto",
) -> Predictions:
    """Score a file with a bundle: a wide table where the model was trained on one, else an event log.

    `user`, `time` and `event` name the log's columns; the fields keep the names that the model knows. A model with one
    kind of event needs no event column. `at` (a date, a time or seconds since 1970) asks every user at that moment,
    after the events up to it; without it the answer is the one after the last event. Raises `InputError` where the
    file can't be used and `BundleError` where the bundle can't.
    """
    insight = nearsight.load(bundle, runtime=runtime)
    table = Table.read(source)
    if insight.manifest.spec.steps is not None:
        histories: list[_History] = _rows(table, insight.manifest.spec)
        return _scored(insight, [str(row) for row in range(1, len(histories) + 1)], histories, None)
    log = log_of(table, _config(insight.manifest.spec, table, user, time, event))
    moment_asked = None if at is None else moment(at)
    users, histories = _events(log, insight.manifest.spec, moment_asked)
    return _scored(insight, users, histories, moment_asked)


def _scored(insight: Insight, names: list[str], histories: list[_History], at: float | None) -> Predictions:
    heads = [head for head in insight.manifest.heads if isinstance(head, BinaryHead)]
    readings = insight.score_many(histories, time=at)
    asked = [head.name for head in insight.manifest.heads if isinstance(head, ValueHead)]
    values = {name: [Value(*each) for each in readings.value(name).tolist()] for name in asked}
    segments = readings.segments
    chances = {head.name: readings[head.name].tolist() for head in heads}
    rows = tuple(
        Prediction(
            who=name,
            probability={head.name: chances[head.name][row] for head in heads},
            yes={head.name: chances[head.name][row] >= head.threshold for head in heads},
            value={name: found[row] for name, found in values.items()},
            segment=segments[row] if segments else None,
        )
        for row, name in enumerate(names)
    )
    return Predictions(runtime=insight.runtime, predictions=rows)


def _config(spec: Spec, table: Table, user: str, time: str, event: str) -> LogConfig:
    numeric = (*(each.name for each in spec.groups), *(each.name for each in spec.numbers))
    empty = {name for name in numeric if _is_empty(table, name)}
    single = len(spec.event.vocabulary) == 1 and event not in table.columns
    return LogConfig(
        user=user,
        time=time,
        event=None if single else event,
        every=spec.event.vocabulary[0] if single else "event",
        fields=tuple(name for name in spec.fields if name not in empty),
        categories=tuple(category.name for category in spec.categories),
        allowed=spec.fields,
    )


def _is_empty(table: Table, name: str) -> bool:
    """Whether a column of numbers has none at all. Raises `InputError` with the line of what isn't a number."""
    if numbers_of(table, name) is not None:
        return False
    values = table.column(name).cast(pl.String, strict=False).replace("", None)
    strays = (values.is_not_null() & values.cast(pl.Float64, strict=False).is_null()).arg_true().to_list()
    if strays or values.null_count() < len(table):
        place = table.line(strays[0] if strays else 0)
        raise InputError(f"{place}: column {name!r} must hold numbers, as in training: leave out what isn't one")
    return True


def _events(log: EventLog, spec: Spec, at: float | None) -> tuple[list[str], list[_History]]:
    columns = [log.fields.get(name, np.full(len(log.times), np.nan)).tolist() for name in spec.fields]
    names, times = log.names.tolist(), log.times.tolist()
    users, histories = [], []
    for user, start, length in zip(log.users.tolist(), log.starts.tolist(), log.lengths.tolist(), strict=True):
        places = [place for place in range(start, start + length) if at is None or times[place] <= at]
        if places:
            users.append(user)
            histories.append([(names[k], times[k], _fields(spec, [column[k] for column in columns])) for k in places])
    if at is not None and not histories:
        raise InputError(
            f"no event lies at or before {spoken(at)}, the first is of {spoken(min(times))}: pass a later time"
        )
    return users, histories


def _fields(spec: Spec, values: list[object]) -> dict[str, object]:
    """The fields of one event; one that is missing (NaN) is None."""
    return {name: None if value != value else value for name, value in zip(spec.fields, values, strict=True)}


def _rows(table: Table, spec: Spec) -> list[_History]:
    steps = spec.steps
    if steps is None or not len(table):
        raise InputError(f"{table.name} holds no rows: pass a table with at least one")
    extra = [name for name in table.columns if name not in steps.columns]
    if len(extra) > 1:  # one may be a label
        raise InputError(
            f"{table.name} has {len(table.columns)} columns where the model takes {len(steps.columns)} steps and at "
            f"most one label: remove {', '.join(extra[:5])}"
        )
    values = read_steps(table, list(steps.columns))
    return [[(EVENT, None, {VALUE: value}) for value in row] for row in values.tolist()]
