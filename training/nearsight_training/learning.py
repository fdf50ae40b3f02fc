"""Trains a network on prepared histories, calibrates its heads on validation and measures it on the test."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, NextEventHead, activations
from nearsight.spec import Spec
from nearsight.trunk import Trunk
from nearsight_training.answers import Answers, answers, probabilities, scored
from nearsight_training.calibration import platt, temperature, threshold
from nearsight_training.columns import moment
from nearsight_training.config import LogConfig, Size, TableConfig
from nearsight_training.fit import fit, seeded
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval, binary_metrics, next_event_metrics
from nearsight_training.network import build, canonical
from nearsight_training.preparation import Prepared
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Epoch
from nearsight_training.split import TEST, TRAIN, VALIDATION

__all__ = ["Learned", "calibrated_heads", "cutoff_of", "learn", "measured", "trunk_of"]


@dataclass(frozen=True)
class Learned:
    """What one training gave: uncalibrated weights, calibrated heads, figures on the test split."""

    trunk: Trunk
    weights: dict[str, NDArray[np.float32]]
    heads: tuple[Head, ...]
    window: int
    epochs: tuple[Epoch, ...]
    metrics: dict[str, dict[str, Interval]]


def trunk_of(spec: Spec, heads: tuple[Head, ...], size: Size) -> Trunk:
    """The network's shape. An embedding is as wide as the square root of its codes, at most `largest_embedding`."""
    widths = [min(size.largest_embedding, max(2, round(np.sqrt(codes)))) for codes in spec.code_sizes]
    return Trunk(
        code_sizes=spec.code_sizes,
        embedding_sizes=tuple(1 if spec.steps else width for width in widths),
        numbers=len(spec.number_names),
        filters=size.filters,
        units=size.units,
        activations=activations(heads),
    )


def learn(
    prepared: Prepared, config: LogConfig | TableConfig, logs: Path | None = None, progress: Progress = SILENT
) -> Learned:
    """Train with the configuration's seed. The article's table has one kind of event, whose embedding stays zero."""
    seeded(config.fitting.seed)
    histories = prepared.histories
    window = config.window if isinstance(config, LogConfig) else int(histories.lengths.max())
    trunk = trunk_of(prepared.spec, prepared.heads, config.size)
    asks, embeds = len(histories.ask_time) > 0, prepared.spec.steps is None
    model = build(trunk, asks=asks, dropout=config.fitting.dropout, train_embeddings=embeds)
    validation = histories.select(VALIDATION)
    epochs = fit(
        model,
        histories.select(TRAIN),
        validation,
        prepared.heads,
        config.fitting,
        window,
        progress=progress,
        logs=logs,
    )
    cutoff = cutoff_of(config)
    heads = calibrated_heads(prepared.heads, validation, answers(model, validation), cutoff)
    test = histories.select(TEST)
    metrics = measured(heads, test, answers(model, test), cutoff)
    return Learned(trunk, canonical(model), heads, window, epochs, metrics)


def measured(
    heads: tuple[Head, ...], histories: Histories, given: Answers, cutoff: float | None
) -> dict[str, dict[str, Interval]]:
    """Every head's figures with intervals, by head and metric; none for a next event that is known nowhere.

    (A cut-off with a split by time shows the test nothing before the cut, and no event after it.)
    """
    metrics = {}
    for head in heads:
        if isinstance(head, BinaryHead):
            labels, logits, owners = _judged(head, histories, given, cutoff)
            metrics[head.name] = binary_metrics(labels, probabilities(logits, head), owners, head.threshold)
        elif (histories.next_codes > 0).any():
            known = histories.next_codes >= 0
            chances = probabilities(given.events[known], head)
            metrics[head.name] = next_event_metrics(histories.next_codes[known], chances, histories.owners[known])
    return metrics


def calibrated_heads(
    heads: tuple[Head, ...], histories: Histories, given: Answers, cutoff: float | None
) -> tuple[Head, ...]:
    """The heads with calibration and thresholds refitted on `histories`, the validation split.

    `cutoff` is the test's; see `Plan.rehearsal` for when validation was asked.
    """
    horizon = max((head.within_seconds or 0.0 for head in heads if isinstance(head, BinaryHead)), default=0.0)
    if cutoff is not None and not (histories.ask_time == cutoff).any():
        cutoff -= horizon
    return tuple(_calibrated_head(head, histories, given, cutoff) for head in heads)


def _calibrated_head(head: Head, histories: Histories, given: Answers, cutoff: float | None) -> Head:
    if isinstance(head, NextEventHead):
        known = histories.next_codes > 0
        logits = given.events[known, head.start : head.start + head.size]
        return msgspec.structs.replace(head, temperature=temperature(logits, histories.next_codes[known]))
    labels, logits, _ = _judged(head, histories, given, cutoff)
    scale, offset = platt(logits[:, head.start], labels)
    head = msgspec.structs.replace(head, scale=scale, offset=offset)
    return msgspec.structs.replace(head, threshold=threshold(labels, probabilities(logits, head)))


def _judged(
    head: BinaryHead, histories: Histories, given: Answers, cutoff: float | None
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """Labels (n,), logits (n, O) and owners (n,) of what a yes/no head is judged on."""
    asked, places = scored(histories, head, cutoff)
    if asked:
        return histories.ask_labels[places, head.start], given.asks[places], histories.ask_history[places]
    return histories.labels[places, head.start], given.events[places], histories.owners[places]


def cutoff_of(config: LogConfig | TableConfig) -> float | None:
    """The moment at which the test asks, in seconds since 1970; None where it judges every prefix."""
    return moment(config.cutoff) if isinstance(config, LogConfig) and config.cutoff is not None else None
