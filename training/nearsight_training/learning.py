"""Trains a network on prepared histories, calibrates its heads on validation and measures it on the test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, Head, NextEventHead, ValueHead, activations, values_of
from nearsight.spec import Spec
from nearsight.trunk import Trunk
from nearsight_training.anomaly import anomalies, scale_in_words
from nearsight_training.answers import Answers, answers, probabilities, scored, valued
from nearsight_training.augmentation import Augmenter
from nearsight_training.calibration import conformal, platt, temperature, threshold
from nearsight_training.columns import moment
from nearsight_training.config import Decision, Fitting, LogConfig, Size, TableConfig
from nearsight_training.embeddings import widths
from nearsight_training.fit import BatchLoss, Step, fit, seeded
from nearsight_training.guarantee import Guarantee, check_private, limits, promised
from nearsight_training.histories import Histories
from nearsight_training.metrics import Interval, binary_metrics, next_event_metrics, value_metrics
from nearsight_training.network import assign, build, canonical
from nearsight_training.noise import Noise
from nearsight_training.peers import kinds_of
from nearsight_training.preparation import Prepared
from nearsight_training.pretraining import kept_if_better
from nearsight_training.progress import SILENT, Progress
from nearsight_training.run import Epoch
from nearsight_training.sequences import crops, step_count
from nearsight_training.split import TEST, TRAIN, VALIDATION
from nearsight_training.teachers import SoftLoss, Teachers
from nearsight_training.teaching import OutOfFold
from nearsight_training.transfer import begun, parent_of, widened

__all__ = ["Learned", "calibrated_heads", "cutoff_of", "learn", "measured", "rehearsal_of", "trunk_of", "tutored"]

_FEWEST_OF_VAE = 2
_TAUGHT = "learning from trees"
_TAUGHT_RATE, _TAUGHT_EPOCHS = 0.6, 5  # of the learning rate; times as many at most
_TAUGHT_STEPS, _TAUGHT_ROWS = 1500, 512  # in all, and of a step, at least


@dataclass(frozen=True)
class Learned:
    """What one training gave: uncalibrated weights, calibrated heads, raw answers and figures on the test split.

    `model` is the train graph that holds the weights. `taught` names the heads that learned from trees as well.
    `guarantee` is what a private training promises.
    """

    trunk: Trunk
    weights: dict[str, NDArray[np.float32]]
    heads: tuple[Head, ...]
    window: int
    epochs: tuple[Epoch, ...]
    taught: tuple[str, ...]
    answers: Answers
    metrics: dict[str, dict[str, Interval]]
    notes: tuple[str, ...]
    model: Any
    guarantee: Guarantee | None = None


def trunk_of(spec: Spec, heads: tuple[Head, ...], size: Size) -> Trunk:
    """The network's shape. An embedding has its `widths`, `largest_embedding` at most.

    Raises `InputError` where the units aren't enough for its kind.
    """
    if size.network == "vae" and size.units < _FEWEST_OF_VAE:
        raise InputError(f"a vae needs at least {_FEWEST_OF_VAE} units, one for the anomaly, received {size.units}")
    return Trunk(
        code_sizes=spec.code_sizes,
        embedding_sizes=tuple(1 if spec.steps else min(size.largest_embedding, k) for k in widths(spec.code_sizes)),
        numbers=len(spec.number_names),
        filters=size.filters,
        units=size.units,
        kind=size.network,
        skip=size.skip,
        activations=activations(heads),
    )


def learn(
    prepared: Prepared, config: LogConfig | TableConfig, logs: Path | None = None, progress: Progress = SILENT
) -> Learned:
    """Train with the configuration's seed. The article's table has one kind of event, whose embedding stays zero.

    Raises `InputError` as `check_private` does.
    """
    check_private(config)
    seeded(config.fitting.seed)
    histories = prepared.histories
    window = _window(prepared, config)
    parent = parent_of(config)
    trunk = widened(trunk_of(prepared.spec, prepared.heads, config.size), prepared.spec, parent)
    asks, embeds = len(histories.ask_time) > 0, prepared.spec.steps is None
    model = build(trunk, asks=asks, dropout=config.fitting.dropout, train_embeddings=embeds)
    notes: list[str] = []
    if parent is not None:
        weights, note = begun(canonical(model), trunk, prepared.spec, prepared.heads, parent)
        assign(model, weights)
        notes.append(note)
    vary = _variation(prepared, config)
    begin, validation = canonical(model), histories.select(VALIDATION)
    guarantee = _guarantee(config, histories)
    notes += limits(guarantee) if guarantee else ()
    epochs = fit(
        model,
        histories.select(TRAIN),
        validation,
        prepared.heads,
        config.fitting,
        window,
        further=prepared.further,
        progress=progress,
        logs=logs,
        vary=vary,
        stepping=_private_steps(config.fitting, guarantee) if guarantee else None,
    )
    if config.fitting.pretrain_epochs:
        epochs, note = kept_if_better(model, begin, epochs, prepared, trunk, config.fitting, window, vary, progress)
        notes.append(note)
    names: tuple[str, ...] = ()
    if config.fitting.teach and guarantee is None:
        best = min(epoch.validation_loss for epoch in epochs)
        trees = OutOfFold(histories.select(TRAIN), validation, kinds_of(prepared.spec), config.fitting.seed)
        more, names = tutored(model, trunk, trees, prepared.heads, config, window, best, progress)
        epochs = (*epochs, *more)
    cutoff, checked = cutoff_of(config), answers(model, validation)
    heads = calibrated_heads(prepared.heads, validation, checked, config)
    test = histories.select(TEST)
    given = answers(model, test)
    return Learned(
        trunk=trunk,
        weights=canonical(model),
        heads=heads,
        window=window,
        epochs=epochs,
        taught=names,
        answers=given,
        metrics=measured(heads, test, given, cutoff),
        notes=(*notes, *_imprecise(heads, checked, config), *_scale(trunk, model, validation)),
        model=model,
        guarantee=guarantee,
    )


def _guarantee(config: LogConfig | TableConfig, histories: Histories) -> Guarantee | None:
    if config.fitting.private is None:
        return None
    return promised(config.fitting.private, int((histories.split == TRAIN).sum()), config.fitting.epochs)


def _private_steps(fitting: Fitting, guarantee: Guarantee) -> Callable[[Any, BatchLoss], Step]:
    from nearsight_training.private_step import PrivateStep

    noise = Noise(fitting.private.noise_seed if fitting.private else None)
    return lambda model, loss: PrivateStep(model, loss, fitting, guarantee, noise)


def _imprecise(heads: tuple[Head, ...], given: Answers, config: LogConfig | TableConfig) -> Iterator[str]:
    """Which questions are never answered yes, since no threshold has the precision asked for on validation."""
    for head in heads:
        if isinstance(head, BinaryHead) and (least := _decisions(config)[head.name].precision):
            chances = probabilities(np.concatenate([given.events, given.asks]), head)
            if head.threshold > chances.max(initial=0.0):
                yield f"{head.name}: no threshold has a precision of {least:g} on validation: the answer is always no"


def _scale(trunk: Trunk, model: Any, validation: Histories) -> Iterator[str]:
    if trunk.kind == "vae":
        yield scale_in_words(anomalies(model, validation))


def tutored(
    model: Any,
    trunk: Trunk,
    trees: OutOfFold,
    heads: tuple[Head, ...],
    config: LogConfig | TableConfig,
    window: int,
    best: float,
    progress: Progress = SILENT,
) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """Go on learning from the mean of the network and trees; taken back where validation's loss isn't below `best`.

    Every event and question teaches, labelled or not, so that what the network knows of other heads stays. Histories
    are as they are, and nothing drops out. Returns the epochs and the names of the heads of which trees spoke.
    """
    kind = "event" if cutoff_of(config) is None else "ask"
    said, names = trees.said(heads, answers(model, trees.validation), kind, progress)
    if not names:
        return (), ()
    trained = model.get_layer("embedding_0").trainable
    teacher, pupil = (build(trunk, asks=True, train_embeddings=trained) for _ in range(2))
    for network in (teacher, pupil):
        assign(network, canonical(model))
    fitting = _unhurried(config.fitting, trees.training, window)
    loss = SoftLoss(Teachers([teacher], heads, said), heads, fitting)
    epochs = fit(
        pupil, trees.training, trees.validation, heads, fitting, window, progress=progress, task=_TAUGHT, loss=loss
    )
    if min(epoch.validation_loss for epoch in epochs) >= best:
        return (), ()
    assign(model, canonical(pupil))
    return epochs, names


def _unhurried(fitting: Fitting, training: Histories, window: int) -> Fitting:
    """Half of the epochs or, up to five times as many as there were, 1,500 steps of 512 rows at least; at a lower rate.

    The rate falls with the root of a step's size, as Adam's noise asks (Malladi et al. 2022, arXiv:2205.10287).
    """
    epochs, rows = (fitting.epochs + 1) // 2, step_count(crops(training, window), 1)
    size = min(fitting.batch_events, max(_TAUGHT_ROWS, epochs * rows // _TAUGHT_STEPS))
    epochs = max(epochs, min(_TAUGHT_EPOCHS * fitting.epochs, round(_TAUGHT_STEPS * size / rows)))
    rate = _TAUGHT_RATE * fitting.learning_rate * (size / fitting.batch_events) ** 0.5
    return msgspec.structs.replace(fitting, epochs=epochs, patience=epochs, batch_events=size, learning_rate=rate)


def _variation(prepared: Prepared, config: LogConfig | TableConfig) -> Augmenter | None:
    if isinstance(config, LogConfig) and config.augmentation.varies:
        return Augmenter(prepared.spec, config.augmentation)
    return None


def _window(prepared: Prepared, config: LogConfig | TableConfig) -> int:
    return config.window if isinstance(config, LogConfig) else int(prepared.histories.lengths.max())


def measured(
    heads: tuple[Head, ...], histories: Histories, given: Answers, cutoff: float | None
) -> dict[str, dict[str, Interval]]:
    """Every head's figures with intervals, by head and metric; none for a number or next event that is known nowhere.

    (A cut-off with a split by time shows the test nothing before the cut, and no event after it.)
    """
    metrics = {}
    for head in heads:
        if isinstance(head, BinaryHead):
            labels, logits, owners = _judged(head, histories, given, cutoff)
            metrics[head.name] = binary_metrics(labels, probabilities(logits, head), owners, head.threshold)
        elif isinstance(head, ValueHead):
            truth, logits, owners = _numbers(head, histories, given, cutoff)
            if len(truth):
                metrics[head.name] = value_metrics(truth, values_of(probabilities(logits, head), head), owners)
        elif ((codes := histories.next_codes[:, head.column]) > 0).any():
            known = codes >= 0
            chances = probabilities(given.events[known], head)
            metrics[head.name] = next_event_metrics(codes[known], chances, histories.owners[known])
    return metrics


def calibrated_heads(
    heads: tuple[Head, ...], histories: Histories, given: Answers, config: LogConfig | TableConfig
) -> tuple[Head, ...]:
    """The heads with calibration and thresholds refitted on `histories`, the validation split."""
    cutoff, decisions = rehearsal_of(histories, config), _decisions(config)
    found: list[Head] = []
    for head in heads:
        if isinstance(head, BinaryHead):
            found.append(_calibrated_binary(head, histories, given, cutoff, decisions[head.name]))
        elif isinstance(head, ValueHead):
            found.append(_calibrated_value(head, histories, given, cutoff))
        else:
            found.append(_calibrated_next(head, histories, given))
    return tuple(found)


def _decisions(config: LogConfig | TableConfig) -> dict[str, Decision]:
    if isinstance(config, TableConfig):
        return {config.name: config.decision}
    return {target.name: target.decision for target in config.targets}


def _calibrated_next(head: NextEventHead, histories: Histories, given: Answers) -> Head:
    codes = histories.next_codes[:, head.column]
    logits = given.events[codes > 0, head.start : head.start + head.size]
    return msgspec.structs.replace(head, temperature=temperature(logits, codes[codes > 0]))


def _calibrated_value(head: ValueHead, histories: Histories, given: Answers, cutoff: float | None) -> Head:
    truth, logits, _ = _numbers(head, histories, given, cutoff)
    if not len(truth):
        return head
    shares = (np.clip(truth, head.low, head.high) - head.low) / (head.high - head.low)
    added = conformal(probabilities(logits, head), shares, head.coverage)
    point, low, high = (float(old + new) for old, new in zip(head.offsets, added, strict=True))
    return msgspec.structs.replace(head, offsets=(point, low, high))


def _numbers(
    head: ValueHead, histories: Histories, given: Answers, cutoff: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.int64]]:
    """The truth (n,), logits (n, O) and owners (n,) of what a number's head is judged on."""
    asked, places, truth = valued(histories, head, cutoff)
    if asked:
        return truth, given.asks[places], histories.ask_history[places]
    return truth, given.events[places], histories.owners[places]


def _calibrated_binary(
    head: BinaryHead, histories: Histories, given: Answers, cutoff: float | None, decision: Decision
) -> Head:
    labels, logits, _ = _judged(head, histories, given, cutoff)
    scale, offset = platt(logits[:, head.start], labels)
    head = msgspec.structs.replace(head, scale=scale, offset=offset)
    return msgspec.structs.replace(head, threshold=threshold(labels, probabilities(logits, head), decision))


def _judged(
    head: BinaryHead, histories: Histories, given: Answers, cutoff: float | None
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int64]]:
    """Labels (n,), logits (n, O) and owners (n,) of what a yes/no head is judged on."""
    asked, places = scored(histories, head, cutoff)
    if asked:
        return histories.ask_labels[places, head.start], given.asks[places], histories.ask_history[places]
    return histories.labels[places, head.start], given.events[places], histories.owners[places]


def rehearsal_of(histories: Histories, config: LogConfig | TableConfig) -> float | None:
    """When `histories`, the validation split, were asked: see `Plan.rehearsal`. None where every prefix counts."""
    cutoff = cutoff_of(config)
    if isinstance(config, LogConfig) and cutoff is not None and not (histories.ask_time == cutoff).any():
        cutoff -= config.horizon_seconds
    return cutoff


def cutoff_of(config: LogConfig | TableConfig) -> float | None:
    """The moment at which the test asks, in seconds since 1970; None where it judges every prefix."""
    return moment(config.cutoff) if isinstance(config, LogConfig) and config.cutoff is not None else None
