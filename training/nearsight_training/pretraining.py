"""Lets the trunk learn what comes next in every training history before the heads are trained.

The questions of that lesson need no labels: which event follows, and whether any does within a few spans that are
quantiles of the training users' gaps. A history whose own questions are unknown takes part, up to where the training
part of the split ends; nothing of the test is looked at.
"""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, NextEventHead, activations
from nearsight.trunk import Trunk, Weights
from nearsight_training.augmentation import Augmenter
from nearsight_training.config import Fitting
from nearsight_training.fit import fit
from nearsight_training.histories import Histories
from nearsight_training.network import assign, build, canonical, takes_asks
from nearsight_training.preparation import Prepared
from nearsight_training.progress import Progress
from nearsight_training.run import Epoch
from nearsight_training.split import TRAIN, VALIDATION

__all__ = ["ahead", "kept_if_better", "lessons", "pretrained"]

_SHARES = (0.25, 0.5, 0.75, 0.9)  # of the gaps between events that are shorter than each span
_BEFORE, _AFTER = "learning what comes next", "training again from there"


def kept_if_better(
    model: Any,
    begin: Weights,
    epochs: tuple[Epoch, ...],
    prepared: Prepared,
    trunk: Trunk,
    fitting: Fitting,
    window: int,
    vary: Augmenter | None,
    progress: Progress,
) -> tuple[tuple[Epoch, ...], str]:
    """Train once more, from `begin` after pre-training, and keep the better on validation; the other goes.

    `model` was trained in `epochs` from the canonical weights `begin` without it. Returns the epochs of what is kept
    and a note with both losses.
    """
    heads, spans = lessons(prepared)
    if not heads:
        return epochs, "pre-training: left out, no training user has a second event"
    without, plain = min(epoch.validation_loss for epoch in epochs), model.get_weights()
    assign(model, pretrained(model, begin, prepared, trunk, fitting, window, heads, spans, progress))
    training, validation = (prepared.histories.select(part) for part in (TRAIN, VALIDATION))
    again = fit(
        model,
        training,
        validation,
        prepared.heads,
        fitting,
        window,
        further=prepared.further,
        progress=progress,
        task=_AFTER,
        vary=vary,
    )
    found = min(epoch.validation_loss for epoch in again)
    said = f"pre-training: validation's loss is {found:.4f} with it and {without:.4f} without"
    if found < without:
        return again, f"{said}: it was kept"
    model.set_weights(plain)
    return epochs, f"{said}: it was left out"


def pretrained(
    model: Any,
    begin: Weights,
    prepared: Prepared,
    trunk: Trunk,
    fitting: Fitting,
    window: int,
    heads: tuple[Head, ...],
    spans: NDArray[np.float64],
    progress: Progress,
) -> dict[str, NDArray[np.float32]]:
    """Canonical weights whose trunk has learned what comes next; the heads are those of `begin`."""
    shape = msgspec.structs.replace(trunk, activations=activations(heads))
    student = build(shape, asks=takes_asks(model), dropout=fitting.dropout)
    own = {name: array for name, array in begin.items() if name.startswith("head_")}
    assign(student, {**begin, **{name: canonical(student)[name] for name in own}})
    until = float(prepared.histories.select(TRAIN).times.max())
    training, validation = (ahead(prepared.histories.select(part), spans, until) for part in (TRAIN, VALIDATION))
    lesson = msgspec.structs.replace(
        fitting, epochs=fitting.pretrain_epochs, next_weight=max(1.0, float(len(spans))), ask_weight=1.0
    )
    fit(student, training, validation, heads, lesson, window, progress=progress, task=_BEFORE)
    return {**canonical(student), **own}


def lessons(prepared: Prepared) -> tuple[tuple[Head, ...], NDArray[np.float64]]:
    """The heads of the lesson, and its spans in seconds; none where no training user has a second event."""
    training, vocabulary = prepared.histories.select(TRAIN), prepared.spec.event.vocabulary
    gaps = _until_next(training, np.arange(len(training.codes)), training.times)
    known = gaps[np.isfinite(gaps) & (gaps > 0)]
    spans = np.unique(np.quantile(known, _SHARES)) if len(known) else np.zeros(0)
    heads: list[Head] = [BinaryHead(name=f"within {span:g} s", start=place) for place, span in enumerate(spans)]
    if len(vocabulary) > 1 and (training.next_codes[:, 0] > 0).any():
        heads.append(NextEventHead(start=len(heads), vocabulary=vocabulary))
    return tuple(heads), spans


def ahead(histories: Histories, spans: NDArray[np.float64], until: float) -> Histories:
    """The same histories with other labels: does any event follow within each of `spans` (S,), in seconds?

    One at the same moment follows at once. Unknown where nothing did and the span runs past `until`, in seconds since
    1970.
    """
    last = np.arange(len(histories.codes))
    after = _labels(_until_next(histories, last, histories.times), histories.times, spans, until)
    silence = _until_next(histories, histories.ask_events, histories.ask_time)
    return replace(histories, labels=after, ask_labels=_labels(silence, histories.ask_time, spans, until))


def _until_next(histories: Histories, last: NDArray[np.int64], moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds from each moment to the event that follows the event `last`; infinite where none does."""
    times, owners = np.append(histories.times, np.inf), np.append(histories.owners, -1)
    return np.where(owners[last + 1] == owners[last], times[last + 1] - moments, np.inf)


def _labels(
    silence: NDArray[np.float64], moments: NDArray[np.float64], spans: NDArray[np.float64], until: float
) -> NDArray[np.int8]:
    happens = silence[:, np.newaxis] <= spans
    known = np.isfinite(silence)[:, np.newaxis] | (moments[:, np.newaxis] + spans <= until)
    return np.where(happens, 1, np.where(known, 0, -1)).astype(np.int8)
