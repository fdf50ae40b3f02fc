"""From a log to encoded, labelled, split histories."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import occurrences, segment_starts
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.heads import Head
from nearsight.spec import Spec
from nearsight_training.asks import Asks, drawn_asks
from nearsight_training.columns import moment
from nearsight_training.config import Asked, Label, LogConfig, Value
from nearsight_training.gate import ENOUGH
from nearsight_training.groups import coarse
from nearsight_training.heads import heads_of, item_column
from nearsight_training.histories import SPLITS, Histories, Stored, reference
from nearsight_training.labels import (
    UNKNOWN,
    ask_labels,
    ask_values,
    event_labels,
    event_values,
    next_index,
    next_item_index,
)
from nearsight_training.leakage import check_answers, check_columns
from nearsight_training.log import EventLog
from nearsight_training.specification import fit_spec, handled
from nearsight_training.split import TEST, TRAIN, VALIDATION, Plan, plan
from nearsight_training.targets import check_targets

__all__ = ["Prepared", "alike", "prepare", "prepare_more", "prepare_split", "split_labels"]

_AT_ONCE = 1_000_000  # questions that are answered together, so that what it takes in between stays small


@dataclass(frozen=True)
class Prepared:
    """Histories, the specification that encoded them and the heads that answer their labels, uncalibrated.

    `further` are histories of users who are trained on as well, on disk.
    """

    histories: Histories
    spec: Spec
    heads: tuple[Head, ...]
    notes: tuple[str, ...]
    further: Sequence[Stored] = ()


def prepare(log: EventLog, config: LogConfig) -> Prepared:
    """Split, label, fit the specification on the training users (see `reference`) and encode.

    Raises `InputError` where the split has no room, where a target never happens, or where a split's labels are all
    of one class.
    """
    return prepare_split(log, config, plan(log, config))


def prepare_split(log: EventLog, config: LogConfig, split: Plan) -> Prepared:
    """`prepare` for users that were split already; raises as it does."""
    check_targets(log, config)
    visible = _visible(log, split)
    if not (visible & (split.users == TRAIN)[log.owners]).any():
        raise InputError("no user is left to train on: pass a larger log or smaller shares of validation and test")
    known = visible & (split.users == reference(config.fitting))[log.owners]
    spec, notes = fit_spec(
        log,
        known,
        config.min_users,
        config.reset,
        config.groups,
        counts=config.counts,
        coarsen_seconds=config.coarsen_seconds,
    )
    log = coarse(log, spec.groups)
    check_columns(log, spec.fields, config.targets, config.trusted)
    histories = _encoded(log, config, split, spec, visible)
    heads = heads_of(spec, config, histories)
    check_answers(histories, TRAIN, spec, [target.name for target in config.targets], config.trusted)
    rough = [_checked(histories, index, target.name, split) for index, target in enumerate(config.targets)]
    told = (*log.dropped.notes, *log.notes, *notes, *handled(log, known, spec), *filter(None, rough))
    return Prepared(histories, spec, heads, told)


def prepare_more(log: EventLog, config: LogConfig, split: Plan, spec: Spec) -> Histories:
    """Histories of further users, all to be trained on, as another log was split and encoded (none may be left)."""
    split = replace(split, users=np.full(len(log.users), TRAIN, np.int8))
    return _encoded(coarse(log, spec.groups), config, split, spec, _visible(log, split))


def alike(histories: Histories, spec: Spec, config: LogConfig) -> Histories:
    """Histories as far as all splits may look, with answers that look as far for each: users differ by chance alone.

    All end at the cut-off, or where the split ends that ends first. With a split by time, labels are asked anew within
    that time, and those that arrive late stay unknown. Of the questions those at the cut-off are left, where users of
    all splits are asked there.
    """
    cutoff = None if config.cutoff is None else moment(config.cutoff)
    ends = [histories.times[histories.events_of(split)].max() for split in set(histories.split)]
    until = min(ends) if cutoff is None else cutoff
    cut = histories.shortened(np.add.reduceat(histories.times <= until, histories.starts, dtype=np.int64))
    split = Plan(cut.split, until, -np.inf, until, None, None)
    users = np.arange(len(cut)).astype(str)
    log = EventLog(users=users, starts=cut.starts, times=cut.times, names=cut.names, fields=cut.fields)
    by_user, labels, values = config.split == "user", cut.labels, cut.values
    if not by_user:
        asked = [_asked_anew(log, each, split) for each in config.targets]
        labels = _stacked(asked, len(log.times), np.int8)
        values = _stacked([_split_values(log, each, split) for each in config.values], len(log.times), np.float32)
    visible = np.ones(len(log.times), bool)
    next_codes = _next_codes(log, config, spec, cut.codes, visible, split)
    asks = np.flatnonzero((cut.ask_time == cutoff) & by_user)
    return replace(cut.asking(asks), labels=labels, values=values, next_codes=next_codes)


def _asked_anew(log: EventLog, target: Asked, split: Plan) -> NDArray[np.int8]:
    if isinstance(target, Label):
        return np.full(len(log.times), UNKNOWN, np.int8)
    return split_labels(log, target, split)


def _encoded(log: EventLog, config: LogConfig, split: Plan, spec: Spec, visible: NDArray[np.bool_]) -> Histories:
    encoder, begins = Encoder(spec), segment_starts(spec.reset, log.times, log.starts, len(log.times))
    with ThreadPoolExecutor(1) as aside:  # NumPy works outside of Python's lock: a log takes both cores
        questions = aside.submit(_questions, log, config, split, encoder, begins)
        codes, numbers = encoder.columns(log.names, log.times, log.fields, begins)
        labels = _stacked([split_labels(log, each, split) for each in config.targets], len(log.times), np.int8)
    every = Histories(
        codes=codes,
        numbers=numbers,
        starts=log.starts,
        split=split.users,
        fresh=np.isin(np.arange(len(log.times)), begins),
        times=log.times,
        names=log.names,
        labels=labels,
        values=_stacked([_split_values(log, each, split) for each in config.values], len(log.times), np.float32),
        next_codes=_next_codes(log, config, spec, codes, visible, split),
        fields={name: log.fields[name] for name in spec.fields},
        **questions.result(),
    )
    return every.shortened(np.add.reduceat(visible, log.starts, dtype=np.int64))


def _visible(log: EventLog, split: Plan) -> NDArray[np.bool_]:
    """The events that a split may look at, (E,): a cut takes the ends of histories away."""
    testing = (split.users == TEST)[log.owners]
    last = split.until if split.cutoff is None else split.cutoff
    return log.times <= np.where(testing, last, split.train_until)


def split_labels(log: EventLog, target: Asked, split: Plan) -> NDArray[np.int8]:
    """The target's label after each event (E,), as far as the event's part of the split may know it."""
    labels = event_labels(log, target, _until(log, split))
    labels[_before_the_test(log, split)] = UNKNOWN
    return labels


def _split_values(log: EventLog, target: Value, split: Plan) -> NDArray[np.float32]:
    values = event_values(log, target, _until(log, split))
    values[_before_the_test(log, split)] = np.nan
    return values


def _until(log: EventLog, split: Plan) -> NDArray[np.float64]:
    return np.where((split.users == TEST)[log.owners], split.until, split.train_until)


def _before_the_test(log: EventLog, split: Plan) -> NDArray[np.bool_]:
    before: NDArray[np.bool_] = (split.users == TEST)[log.owners] & (log.times < split.test_from)
    return before


def _questions(
    log: EventLog, config: LogConfig, split: Plan, encoder: Encoder, begins: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    asks = drawn_asks(log, config, split)
    size = len(asks.times)
    codes, numbers = encoder.now_columns(np.zeros(0), np.zeros(0), ())
    found: dict[str, NDArray[Any]] = {
        "ask_codes": np.empty((size, codes.shape[1]), codes.dtype),
        "ask_numbers": np.empty((size, numbers.shape[1]), numbers.dtype),
        "ask_labels": np.empty((size, len(config.targets)), np.int8),
        "ask_values": np.empty((size, len(config.values)), np.float32),
    }
    for start in range(0, size, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        some = Asks(asks.history[part], asks.after[part], asks.times[part])
        for name, array in zip(found, _answered(log, config, split, encoder, some, begins), strict=True):
            found[name][part] = array
    return {"ask_history": asks.history, "ask_after": asks.after, "ask_time": asks.times, **found}


def _answered(
    log: EventLog, config: LogConfig, split: Plan, encoder: Encoder, asks: Asks, begins: NDArray[np.int64]
) -> tuple[NDArray[Any], ...]:
    """The questions' codes, numbers, labels and values."""
    until = np.where(split.users[asks.history] == TEST, split.until, split.train_until)
    labels = [ask_labels(log, each, asks.history, asks.after, asks.times, until) for each in config.targets]
    values = [ask_values(log, each, asks.history, asks.after, asks.times, until) for each in config.values]
    last = log.starts[asks.history] + asks.after - 1
    first = begins[np.searchsorted(begins, last, "right") - 1]
    counts = [occurrences(log.names == number.name, first, last + 1) for number in encoder.spec.counts]
    seen = encoder.times(asks.times)
    rows = encoder.now_columns(seen - log.times[last], seen - log.times[first], counts)
    return (*rows, _stacked(labels, len(asks.times), np.int8), _stacked(values, len(asks.times), np.float32))


def _next_codes(
    log: EventLog, config: LogConfig, spec: Spec, codes: NDArray[np.int32], visible: NDArray[np.bool_], split: Plan
) -> NDArray[np.int32]:
    ahead = [(next_index(log), 0)]
    if config.next_item is not None:
        ahead.append((next_item_index(log, config.next_item), item_column(spec, config.next_item)))
    found = np.full((len(codes), 2), UNKNOWN, np.int32)
    for place, (following, column) in enumerate(ahead):
        known = (following != UNKNOWN) & visible[following] & ~_before_the_test(log, split)
        found[known, place] = codes[following[known], column]
    return found


def _checked(histories: Histories, target: int, name: str, plan: Plan) -> str | None:
    """A note where the test knows too little. Raises `InputError` where a split's labels are all of one class."""
    tested, owners = _judged(histories, TEST, target, plan.cutoff)
    asked = histories.ask_labels[histories.questions_of(TRAIN), target]
    judged = {
        SPLITS[TRAIN]: np.concatenate([histories.labels[histories.events_of(TRAIN), target], asked]),
        SPLITS[VALIDATION]: _judged(histories, VALIDATION, target, plan.rehearsal)[0],
        SPLITS[TEST]: tested,
    }
    for split, labels in judged.items():
        no, yes = int((labels == 0).sum()), int((labels == 1).sum())
        if not no or not yes:
            found = f"{no + yes} labels, all of them {'yes' if yes else 'no'}" if no + yes else "no known label"
            raise InputError(
                f"{name} needs both answers in the {split} part, received {found}: "
                "pass more data, another horizon or other shares"
            )
    users, yes = len(np.unique(owners[tested >= 0])), int((tested == 1).sum())
    if min(users, yes) >= ENOUGH:
        return None
    return (
        f"{name}: the test knows {yes} times yes, of {users} users in all; its figures are rough until there are "
        f"{ENOUGH} of each"
    )


def _judged(
    histories: Histories, split: int, target: int, moment: float | None
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """What calibration and metrics look at, the questions at `moment` or every prefix: labels, and whose they are."""
    if moment is None:
        events = histories.events_of(split)
        return histories.labels[events, target], histories.owners[events]
    asked = histories.questions_of(split) & (histories.ask_time == moment)
    return histories.ask_labels[asked, target], histories.ask_history[asked]


def _stacked(columns: list[NDArray[Any]], size: int, kind: type[np.generic]) -> NDArray[Any]:
    return np.stack(columns, 1) if columns else np.zeros((size, 0), kind)
