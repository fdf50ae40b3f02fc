"""Was a user trained on? What an attacker finds out who has the shipped graph and that user's history.

Three attacks, all scored on users whom the network learned from and users whom it never saw, their histories cut off
alike: a low loss gives a member away (Yeom et al. 2018, "Privacy risk in machine learning"); a loss lower than that of
users with a like history does, be it foretold from users who weren't trained on, as in Bertran et al. 2023, "Scalable
membership inference attacks via quantile regression", or had from a reference network (Watson et al. 2022, "On the
importance of difficulty calibration"); and trees who are told of half of the users which of them are members. Where the
same trees do as well without the network's losses, the users differ, and the network isn't what gives them away.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, NextEventHead
from nearsight_export.replay import Replay
from nearsight_export.reports import Membership
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval, auc, bootstrap

__all__ = ["FEWEST", "Witness", "found_at", "inferred", "losses"]

Array = NDArray[np.float64]
Attack = tuple[NDArray[np.int8], Array]  # who is a member, 1 or 0, and how much each looks like one, (n,) each
FEWEST = 20  # users on either side, below which nothing is said
FALSE_ALARMS = 0.01
_DRAWS = 200
_KINDS = 8  # of events whose shares tell histories apart
_SMALLEST = 1e-7


class Witness(msgspec.Struct, frozen=True):
    """Some users' histories and what the graph says to them; `reference` is what a network says that saw others."""

    histories: Histories
    replay: Replay
    reference: Replay | None = None


def inferred(members: Witness, others: Witness, bystanders: Witness, heads: Sequence[Head]) -> Membership | None:
    """How well members are told from others. `bystanders` weren't trained on and are the attacker's to learn from.

    None where fewer than 20 users of either kind have an answer that is known.
    """
    parts = (members, others, bystanders)
    found = [losses(each.histories, each.replay, heads) for each in parts]
    names = [name for name in found[0] if all(_known(each[name]) >= FEWEST for each in found[:2])]
    if not names:
        return None
    each = np.concatenate([np.stack([part[name] for name in names], 1) for part in found])
    likeness = _likeness([part.histories for part in parts])
    sizes = [len(part.histories) for part in parts]
    labels = np.repeat(np.array([1, 0], np.int8), sizes[:2])
    judged, loss = slice(len(labels)), _overall(each[:, :, 0])
    scores = {"loss": -loss[judged]}
    if sizes[2] >= FEWEST:
        scores["loss less what is foretold"] = _foretold(likeness, loss, slice(len(labels), None))[judged]
    if members.reference is not None and others.reference is not None:
        scores["loss less a reference network's"] = _less(each[judged, :, 0], (members, others), names, heads)
    told = np.column_stack([likeness[judged], _filled(each[judged].reshape(len(labels), -1)), *scores.values()])
    attacks = {name: (labels, score) for name, score in scores.items()} | {"trees": _learned(told, labels)}
    figures = {name: _auc(*attack) for name, attack in attacks.items()}
    strongest = max(figures, key=lambda name: figures[name].value)
    return Membership(
        members=sizes[0],
        others=sizes[1],
        attacks=figures,
        questions={name: _auc(*_answered(labels, -each[judged, k, 0])) for k, name in enumerate(names)},
        control=_auc(*_learned(likeness[judged], labels)),
        strongest=strongest,
        found=bootstrap(partial(found_at, *attacks[strongest]), np.arange(len(attacks[strongest][0])), _DRAWS),
    )


def losses(histories: Histories, replay: Replay, heads: Sequence[Head]) -> dict[str, Array]:
    """By head, each user's mean and largest loss `(H, 2)` over all answers that are known; NaN where none is.

    In nats; for numbers the distance of the point, in shares of the head's bounds.
    """
    asked, owners = np.concatenate([replay.heads, replay.asked]), _owners(histories)
    found = {}
    for head in heads:
        places, loss = _losses(histories, asked, head)
        whose = owners[places]
        count, total = (np.bincount(whose, weight, len(histories)) for weight in (None, loss))
        largest = np.full(len(histories), -np.inf)
        np.maximum.at(largest, whose, loss)
        mean = np.divide(total, count, out=np.full(len(histories), np.nan), where=count > 0)
        found[head.name] = np.stack([mean, np.where(count > 0, largest, np.nan)], 1)
    return found


def found_at(labels: NDArray[np.integer], scores: Array, weights: Array, false_alarms: float = FALSE_ALARMS) -> float:
    """The share of members `labels == 1` who score above all but `false_alarms` of the others, by weight `(n,)` each.

    Where others tie at that score, none of those who tie counts as found.
    """
    order = np.argsort(-scores, kind="stable")
    alarms = np.cumsum(np.where(labels == 0, weights, 0.0)[order])
    allowed = false_alarms * alarms[-1]
    beyond = np.flatnonzero(alarms > allowed)
    threshold = scores[order[beyond[0]]] if len(beyond) else -np.inf
    above = (labels == 1) & (scores > threshold)
    return float(weights[above].sum() / weights[labels == 1].sum()) if weights[labels == 1].any() else float("nan")


def _losses(histories: Histories, given: NDArray[np.float32], head: Head) -> tuple[NDArray[np.int64], Array]:
    """Which of the E + Q answers are known, and the loss of each."""
    if isinstance(head, NextEventHead):
        codes = histories.next_codes[:, head.column]
        known = np.flatnonzero(codes > 0)
        return known, -np.log(np.maximum(given[known, head.start + codes[known] - 1].astype(np.float64), _SMALLEST))
    binary = histories.labels.shape[1]
    if isinstance(head, BinaryHead):
        labels = np.concatenate([histories.labels, histories.ask_labels])[:, head.start]
        known = np.flatnonzero(labels >= 0)
        yes = np.clip(given[known, head.start].astype(np.float64), _SMALLEST, 1 - _SMALLEST)
        return known, -np.log(np.where(labels[known] == 1, yes, 1 - yes))
    values = np.concatenate([histories.values, histories.ask_values])[:, (head.start - binary) // head.size]
    known = np.flatnonzero(~np.isnan(values))
    shares = np.clip((values[known] - head.low) / (head.high - head.low), 0, 1)
    return known, np.abs(np.clip(given[known, head.start], 0, 1).astype(np.float64) - shares)


def _owners(histories: Histories) -> NDArray[np.int64]:
    owners: NDArray[np.int64] = np.concatenate([histories.owners, histories.ask_history])
    return owners


def _known(loss: Array) -> int:
    return int(np.count_nonzero(~np.isnan(loss[:, 0])))


def _overall(loss: Array) -> Array:
    """One loss for each user from those of the heads `(n, heads)`, each of which counts alike; 0 if none is known."""
    overall: Array = _filled(loss).mean(1)
    return overall


def _filled(columns: Array) -> Array:
    """The columns `(n, d)` with mean 0 and deviation 1, and 0 where one isn't known."""
    spread = np.nanstd(columns, 0)
    scaled: Array = (columns - np.nanmean(columns, 0)) / np.where(spread > 0, spread, 1.0)
    return np.nan_to_num(scaled, nan=0.0)


def _likeness(parts: Sequence[Histories]) -> Array:
    """What tells histories apart without the network `(n, features)`: length, rows, commonest events and answers."""
    codes = np.concatenate([part.codes[:, 0] for part in parts])
    commonest = np.argsort(-np.bincount(codes[codes > 0], minlength=2), kind="stable")[:_KINDS]
    return np.concatenate([_described(part, commonest) for part in parts])


def _described(histories: Histories, commonest: NDArray[np.int64]) -> Array:
    starts, lengths = histories.starts, histories.lengths[:, np.newaxis]
    shares = np.add.reduceat(histories.codes[:, :1] == commonest, starts, dtype=np.int64) / lengths
    means = np.add.reduceat(histories.numbers.astype(np.float64), starts) / lengths
    owners = _owners(histories)
    answers = np.concatenate([histories.labels, histories.ask_labels])
    known = [answers[:, column] >= 0 for column in range(answers.shape[1])]
    counts = [np.bincount(owners[each], minlength=len(histories)) for each in known]
    said = [np.bincount(owners[each], answers[each, k], len(histories)) for k, each in enumerate(known)]
    rates = [yes / np.maximum(count, 1) for yes, count in zip(said, counts, strict=True)]
    last = histories.numbers[starts + histories.lengths - 1]
    return np.column_stack([np.log(lengths), shares, means, last, *rates, *counts])


def _foretold(likeness: Array, loss: Array, strangers: slice) -> Array:
    """How far each loss lies below what users who weren't trained on and are like that one have."""
    from sklearn.ensemble import ExtraTreesRegressor

    trees: Any = ExtraTreesRegressor(60, min_samples_leaf=5, random_state=0, n_jobs=1)
    below: Array = trees.fit(likeness[strangers], loss[strangers]).predict(likeness) - loss
    return below


def _less(loss: Array, parts: Sequence[Witness], names: Sequence[str], heads: Sequence[Head]) -> Array:
    """How far the losses `(n, heads)` lie below the reference's."""
    found = [losses(each.histories, each.reference, heads) for each in parts if each.reference is not None]
    reference = np.concatenate([np.stack([part[name][:, 0] for name in names], 1) for part in found])
    return _overall(reference - loss)


def _learned(told: Array, labels: NDArray[np.int8]) -> Attack:
    """How much users look like members to trees that were told which of the other half are members."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import train_test_split

    trees = ExtraTreesClassifier(100, min_samples_leaf=5, class_weight="balanced", random_state=0, n_jobs=1)
    first, rest = train_test_split(np.arange(len(labels)), test_size=0.5, stratify=labels, random_state=0)
    return labels[rest], trees.fit(told[first], labels[first]).predict_proba(told[rest])[:, 1]


def _answered(labels: NDArray[np.int8], scores: Array) -> Attack:
    known = ~np.isnan(scores)
    return labels[known], scores[known]


def _auc(labels: NDArray[np.int8], scores: Array) -> Interval:
    order = np.argsort(scores, kind="stable")
    return bootstrap(partial(auc, labels[order], scores[order]), np.arange(len(labels)), _DRAWS)
