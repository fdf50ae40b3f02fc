"""From a log to encoded, labelled, split histories."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import segment_starts
from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead
from nearsight.spec import Spec
from nearsight_training.asks import Asks, drawn_asks
from nearsight_training.config import Asked, Inactive, Label, LogConfig, NextItem, Target, Value
from nearsight_training.gate import ENOUGH
from nearsight_training.histories import SPLITS, Histories
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

__all__ = ["Prepared", "prepare", "prepare_split", "split_labels"]


_TAIL = 0.1  # percent of the numbers asked for that lie beyond each of a head's bounds


@dataclass(frozen=True)
class Prepared:
    """Histories, the specification that encoded them and the heads that answer their labels, uncalibrated."""

    histories: Histories
    spec: Spec
    heads: tuple[Head, ...]
    notes: tuple[str, ...]


def prepare(log: EventLog, config: LogConfig) -> Prepared:
    """Split, label, fit the specification on the training users and encode.

    Raises `InputError` where the split has no room, where a target never happens, or where a split's labels are all
    of one class.
    """
    return prepare_split(log, config, plan(log, config))


def prepare_split(log: EventLog, config: LogConfig, split: Plan) -> Prepared:
    """`prepare` for users that were split already; raises as it does."""
    _check_targets(log, config)
    visible = _visible(log, split)
    training = visible & (split.users == TRAIN)[log.owners]
    if not training.any():
        raise InputError("no user is left to train on: pass a larger log or smaller shares of validation and test")
    spec, notes = fit_spec(log, training, config.min_users, config.reset)
    check_columns(log, spec.fields, config.targets, config.trusted)
    encoder, begins = Encoder(spec), segment_starts(spec.reset, log.times, log.starts, len(log.times))
    codes, numbers = encoder.columns(log.names.tolist(), log.times, log.fields, begins)
    asks = drawn_asks(log, config, split)
    every = Histories(
        codes=codes,
        numbers=numbers,
        starts=log.starts,
        split=split.users,
        fresh=np.isin(np.arange(len(log.times)), begins),
        times=log.times,
        names=log.names,
        labels=_stacked([split_labels(log, each, split) for each in config.targets], len(log.times), np.int8),
        values=_stacked([_split_values(log, each, split) for each in config.values], len(log.times), np.float32),
        next_codes=_next_codes(log, config, spec, codes, visible, split),
        fields={name: log.fields[name] for name in spec.fields},
        **_questions(log, config, split, encoder, asks, begins),
    )
    lengths = np.add.reduceat(visible, log.starts, dtype=np.int64)
    histories = every.shortened(lengths)
    heads = _heads(spec, config, histories)
    check_answers(histories.select(TRAIN), spec, [target.name for target in config.targets], config.trusted)
    rough = [_checked(histories, index, target.name, split) for index, target in enumerate(config.targets)]
    return Prepared(histories, spec, heads, (*log.notes, *notes, *handled(log, training, spec), *filter(None, rough)))


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
    log: EventLog, config: LogConfig, split: Plan, encoder: Encoder, asks: Asks, begins: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    until = np.where(split.users[asks.history] == TEST, split.until, split.train_until)
    labels = [ask_labels(log, each, asks.history, asks.after, asks.times, until) for each in config.targets]
    values = [ask_values(log, each, asks.history, asks.after, asks.times, until) for each in config.values]
    last = log.starts[asks.history] + asks.after - 1
    first = begins[np.searchsorted(begins, last, "right") - 1]
    codes, numbers = encoder.now_columns(asks.times - log.times[last], asks.times - log.times[first])
    return {
        "ask_history": asks.history,
        "ask_after": asks.after,
        "ask_time": asks.times,
        "ask_codes": codes,
        "ask_numbers": numbers,
        "ask_labels": _stacked(labels, len(asks.times), np.int8),
        "ask_values": _stacked(values, len(asks.times), np.float32),
    }


def _next_codes(
    log: EventLog, config: LogConfig, spec: Spec, codes: NDArray[np.int32], visible: NDArray[np.bool_], split: Plan
) -> NDArray[np.int32]:
    ahead = [(next_index(log), 0)]
    if config.next_item is not None:
        ahead.append((next_item_index(log, config.next_item), _item_column(spec, config.next_item)))
    found = np.full((len(codes), 2), UNKNOWN, np.int32)
    for place, (following, column) in enumerate(ahead):
        known = (following != UNKNOWN) & visible[following] & ~_before_the_test(log, split)
        found[known, place] = codes[following[known], column]
    return found


def _item_column(spec: Spec, item: NextItem) -> int:
    """Which code is the item's."""
    return 1 + [category.name for category in spec.categories].index(item.field)


def _heads(spec: Spec, config: LogConfig, histories: Histories) -> tuple[Head, ...]:
    heads: list[Head] = [_binary_head(each, start) for start, each in enumerate(config.targets)]
    train = histories.select(TRAIN)
    for index, each in enumerate(config.values):
        known = np.concatenate([train.values[:, index], train.ask_values[:, index]])
        heads.append(_value_head(each, sum(head.size for head in heads), known[~np.isnan(known)].astype(np.float64)))
    follows = [np.any(histories.select(split).next_codes > 0, 0) for split in (TRAIN, VALIDATION)]
    has_event, has_item = np.all(follows, 0).tolist()
    if config.next_event and len(spec.event.vocabulary) > 1 and has_event:
        heads.append(_next_head(NextEventHead(start=0, vocabulary=spec.event.vocabulary), heads, train))
    if (item := config.next_item) is not None:
        if not has_item:
            raise InputError(f"{item.name} needs users who have an item after another: pass more data")
        head = NextEventHead(
            name=item.name,
            start=0,
            vocabulary=spec.categories[_item_column(spec, item) - 1].vocabulary,
            field=item.field,
            events=item.events,
            unseen=item.unseen,
        )
        heads.append(_next_head(head, heads, train))
    if not heads:
        raise InputError(
            "there is nothing to learn: pass --target and --within, or a log with two kinds of events and users who "
            "have more than one"
        )
    return tuple(heads)


def _next_head(head: NextEventHead, before: list[Head], training: Histories) -> NextEventHead:
    """The head behind those `before`, with how often each name follows, to six digits; a name that never follows counts
    as if it had once."""
    following = training.next_codes[:, head.column]
    counts = np.bincount(following[following > 0], minlength=head.size + 1)[1:] + 1
    shares = tuple(float(f"{share:.6g}") for share in counts / counts.sum())
    return msgspec.structs.replace(head, start=sum(each.size for each in before), shares=shares)


def _binary_head(target: Asked, start: int) -> BinaryHead:
    if isinstance(target, Label):
        return BinaryHead(
            name=target.name,
            start=start,
            kind="label",
            column=target.column,
            per=target.per,
            delay_seconds=target.delay_seconds,
            session_gap_seconds=target.session_gap_seconds,
        )
    head = BinaryHead(name=target.name, start=start, events=target.events, within_seconds=target.within_seconds)
    if isinstance(target, Inactive):
        return msgspec.structs.replace(
            head, kind="inactive", active_within_seconds=target.active_within_seconds, rhythm=target.rhythm
        )
    return msgspec.structs.replace(
        head, within_events=target.within_events, session_gap_seconds=target.session_gap_seconds
    )


def _value_head(target: Value, start: int, known: NDArray[np.float64]) -> ValueHead:
    """An uncalibrated head with the bounds and the scale of the training data's numbers, `known`."""
    low, high = (float(bound) for bound in np.percentile(known, [_TAIL, 100 - _TAIL])) if len(known) else (0.0, 0.0)
    if not low < high:
        raise InputError(
            f"{target.name} needs numbers that differ among the training users, received "
            f"{f'only {low:g}' if len(known) else 'none'}: pass more data or another horizon"
        )
    shares = (np.clip(known, low, high) - low) / (high - low)
    return ValueHead(
        name=target.name,
        start=start,
        kind=target.how,
        field=target.field,
        within_seconds=target.within_seconds,
        events=target.events,
        coverage=target.coverage,
        low=low,
        high=high,
        scale=float(shares.std()),
        offsets=(float(shares.mean()),) * 3,
    )


def _check_targets(log: EventLog, config: LogConfig) -> None:
    names = [each.name for each in (*config.targets, *config.values, *([config.next_item] if config.next_item else []))]
    if len(set(names)) < len(names) or NextEventHead(start=0, vocabulary=()).name in names:
        raise InputError(f"targets need names of their own other than next_event, received {', '.join(names)}")
    known = set(np.unique(log.names))
    items = [config.next_item] if config.next_item is not None else []
    for value in config.values:
        _check_field(log, value.name, value.field, "numbers")
    for item in items:
        _check_field(log, item.name, item.field, "names")
    for target in (*config.targets, *config.values, *items):
        missing = [event for event in target.events if event not in known]
        if missing or not (target.events or not isinstance(target, Target)):
            most = ", ".join(sorted(known)[:20])
            raise InputError(f"the log has no event {'' if not missing else missing[0]!r} to predict: it has {most}")
    for asked in (*config.targets, *config.values):
        if isinstance(asked, Label):
            continue
        horizon = asked.within_seconds
        if isinstance(asked, Target) and horizon is None:
            horizon = asked.within_events or asked.session_gap_seconds
        if horizon is None or horizon <= 0:
            raise InputError(f"the horizon of {asked.name} must be positive, received {horizon}")


def _check_field(log: EventLog, asking: str, field: str, kind: str) -> None:
    fitting = [name for name, column in log.fields.items() if (column.dtype == np.float64) == (kind == "numbers")]
    if field not in fitting:
        held = ", ".join(fitting) or "none"
        raise InputError(f"{asking} asks for a field of {kind}, received {field!r}: the log has {held}")


def _checked(histories: Histories, target: int, name: str, plan: Plan) -> str | None:
    """A note where the test knows too little. Raises `InputError` where a split's labels are all of one class."""
    train, validation, test = (histories.select(split) for split in (TRAIN, VALIDATION, TEST))
    tested, owners = _judged(test, target, plan.cutoff)
    judged = {
        SPLITS[TRAIN]: np.concatenate([train.labels[:, target], train.ask_labels[:, target]]),
        SPLITS[VALIDATION]: _judged(validation, target, plan.rehearsal)[0],
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


def _judged(part: Histories, target: int, moment: float | None) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """What calibration and metrics look at, the questions at `moment` or every prefix: labels, and whose they are."""
    if moment is None:
        return part.labels[:, target], part.owners
    asked = part.ask_time == moment
    return part.ask_labels[asked, target], part.ask_history[asked]


def _stacked(columns: list[NDArray[Any]], size: int, kind: type[np.generic]) -> NDArray[Any]:
    return np.stack(columns, 1) if columns else np.zeros((size, 0), kind)
