"""The article's wide table: each row a sample, every column but the last a step, the last a label of 0 or 1."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.heads import BinaryHead
from nearsight.names import Names
from nearsight.spec import Category, Spec, Steps
from nearsight_training.columns import Table, numbers_of, outlined
from nearsight_training.config import TableConfig
from nearsight_training.histories import SPLITS, Histories, reference
from nearsight_training.labels import UNKNOWN
from nearsight_training.preparation import Prepared
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["EVENT", "VALUE", "Samples", "prepare_table", "read_steps", "read_table"]

EVENT, VALUE = "step", "value"  # what the one kind of event and its one field are called
_FEWEST = 3  # rows of each class: one for each split


@dataclass(frozen=True)
class Samples:
    """R rows of T steps: `values` (R, T) float64 and `labels` (R,) int8; `columns` are the steps' names."""

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    labels: NDArray[np.int8]


def read_table(table: Table) -> Samples:
    """The samples in a table. Raises `InputError` where a value isn't a finite number or a label isn't 0 or 1."""
    if len(table.columns) < 2:
        raise InputError(f"{table.name} must have at least one step and a label, received {len(table.columns)} column")
    if not len(table):
        raise InputError(f"{table.name} holds no rows: pass a table with at least {2 * _FEWEST}")
    *steps, label = table.columns
    labels = _complete(table, label)
    wrong = (~labels.is_in([0.0, 1.0])).arg_true()
    if len(wrong):
        raise InputError(
            f"{table.line(wrong[0])}: the label in the last column {label!r} must be 0 or 1, "
            f"received {outlined(f'{labels[wrong[0]]:g}')}"
        )
    return Samples(tuple(steps), read_steps(table, steps), labels.to_numpy().astype(np.int8))


def read_steps(table: Table, steps: list[str]) -> NDArray[np.float64]:
    """The columns `steps` as (R, T) float64. Raises `InputError` as `read_table` does."""
    return np.stack([_complete(table, name).to_numpy() for name in steps], 1)


def prepare_table(samples: Samples, config: TableConfig) -> Prepared:
    """Split the rows by class, scale each column to the training rows' range and encode.

    The answer is trained at the end of the row alone, as in the article. Raises `InputError` where a class has fewer
    than three rows.
    """
    rows, steps = samples.values.shape
    split = _stratified(samples.labels, config)
    known = samples.values[split == reference(config.fitting)]
    bounds = Steps(
        name=VALUE,
        lows=tuple(known.min(0).tolist()),
        highs=tuple(known.max(0).tolist()),
        columns=samples.columns,
    )
    spec = Spec(event=Category(name="event", vocabulary=(EVENT,)), steps=bounds)
    starts = np.arange(rows, dtype=np.int64) * steps
    values = samples.values.ravel()
    names = Names(np.array([EVENT]), np.zeros(rows * steps, np.uint8))
    codes, numbers = Encoder(spec).columns(names, None, {VALUE: values}, starts)
    labels = np.full((rows * steps, 1), UNKNOWN, np.int8)
    labels[starts + steps - 1, 0] = samples.labels
    histories = Histories(
        codes=codes,
        numbers=numbers,
        starts=starts,
        split=split,
        fresh=np.arange(rows * steps) % steps == 0,
        times=np.zeros(rows * steps),
        names=names,
        labels=labels,
        next_codes=np.full((rows * steps, 2), UNKNOWN, np.int32),
        fields={VALUE: values},
        ask_history=np.zeros(0, np.int64),
        ask_after=np.zeros(0, np.int64),
        ask_time=np.zeros(0),
        ask_codes=np.zeros((0, codes.shape[1]), np.int32),
        ask_numbers=np.zeros((0, numbers.shape[1]), np.float32),
        ask_labels=np.zeros((0, 1), np.int8),
        values=np.zeros((rows * steps, 0), np.float32),
        ask_values=np.zeros((0, 0), np.float32),
    )
    return Prepared(histories, spec, (BinaryHead(name=config.name, start=0, kind="label"),), ())


def _stratified(labels: NDArray[np.int8], config: TableConfig) -> NDArray[np.int8]:
    """Each row's split, (R,): the shares hold within each class, and each split has at least one row of each."""
    if not (config.validation_share > 0 and config.test_share > 0 and config.validation_share + config.test_share < 1):
        raise InputError(
            f"validation and test must leave rows for training, received shares {config.validation_share} "
            f"and {config.test_share}"
        )
    generator = np.random.default_rng(config.fitting.seed)
    split = np.full(len(labels), TRAIN, np.int8)
    for value in (0, 1):
        rows = generator.permutation(np.flatnonzero(labels == value))
        if len(rows) < _FEWEST:
            raise InputError(
                f"each of {', '.join(SPLITS)} needs both labels, received {len(rows)} rows labelled {value} of "
                f"{len(labels)}: pass at least {_FEWEST}"
            )
        test = max(1, round(config.test_share * len(rows)))
        validation = max(1, min(round(config.validation_share * len(rows)), len(rows) - test - 1))
        split[rows[:test]] = TEST
        split[rows[test : test + validation]] = VALIDATION
    return split


def _complete(table: Table, name: str) -> pl.Series:
    numbers = numbers_of(table, name)
    if numbers is None:
        row, value = _first_unusable(table.column(name))
        raise InputError(f"{table.line(row)}: column {name!r} must hold numbers, received {value}")
    missing = numbers.is_nan().arg_true()
    if len(missing):
        raise InputError(f"{table.line(missing[0])}: column {name!r} is empty: every step needs a number")
    return numbers


def _first_unusable(column: pl.Series) -> tuple[int, str]:
    numbers = column.cast(pl.String, strict=False).cast(pl.Float64, strict=False)
    row = int(numbers.is_null().arg_true()[0]) if numbers.null_count() else 0
    return row, "nothing" if column[row] in (None, "") else outlined(column[row])
