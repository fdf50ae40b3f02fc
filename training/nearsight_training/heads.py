"""The heads that answer a configuration's questions, uncalibrated, in the order of a network's outputs."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead
from nearsight.spec import Spec
from nearsight_training.config import Asked, Inactive, Label, LogConfig, NextItem, Value
from nearsight_training.histories import Histories, reference
from nearsight_training.split import TRAIN, VALIDATION

__all__ = ["heads_of", "item_column"]

_TAIL = 0.1  # percent of the numbers asked for that lie beyond each of a head's bounds


def heads_of(spec: Spec, config: LogConfig, histories: Histories) -> tuple[Head, ...]:
    """Yes/no questions, numbers, what comes next. Raises `InputError` where one can't be learned, or none is left."""
    heads: list[Head] = [_binary_head(each, start) for start, each in enumerate(config.targets)]
    part = reference(config.fitting)
    known_next = histories.next_codes[histories.events_of(part)]
    follows = [np.any(histories.next_codes[histories.events_of(split)] > 0, 0) for split in (TRAIN, VALIDATION)]
    has_event, has_item = np.all(follows, 0).tolist()
    for index, each in enumerate(config.values):
        known = np.concatenate(
            [
                histories.values[histories.events_of(part), index],
                histories.ask_values[histories.questions_of(part), index],
            ]
        )
        heads.append(_value_head(each, sum(head.size for head in heads), known[~np.isnan(known)].astype(np.float64)))
    if config.next_event and len(spec.event.vocabulary) > 1 and has_event:
        heads.append(_next_head(NextEventHead(start=0, vocabulary=spec.event.vocabulary), heads, known_next))
    if (item := config.next_item) is not None:
        if not has_item:
            raise InputError(f"{item.name} needs users who have an item after another: pass more data")
        head = NextEventHead(
            name=item.name,
            start=0,
            vocabulary=spec.categories[item_column(spec, item) - 1].vocabulary,
            field=item.field,
            events=item.events,
            unseen=item.unseen,
        )
        heads.append(_next_head(head, heads, known_next))
    if not heads:
        raise InputError(
            "there is nothing to learn: pass --target and --within, or a log with two kinds of events and users who "
            "have more than one"
        )
    return tuple(heads)


def _next_head(head: NextEventHead, before: list[Head], next_codes: NDArray[np.int32]) -> NextEventHead:
    """The head behind those `before`, with how often each name follows in training, to six digits; a name that never
    follows counts as if it had once."""
    following = next_codes[:, head.column]
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


def item_column(spec: Spec, item: NextItem) -> int:
    """Which code is the item's."""
    return 1 + [category.name for category in spec.categories].index(item.field)
