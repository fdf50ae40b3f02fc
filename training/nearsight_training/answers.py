"""A network's raw answers on histories: after every event and to every question."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight.heads import BinaryHead, Head, ValueHead
from nearsight.trunk import Trunk, Weights
from nearsight_training.histories import Histories
from nearsight_training.network import assign, build, takes_asks
from nearsight_training.sequences import batches, crops, rounds
from nearsight_training.tensorflow import tf

__all__ = ["Answers", "Walker", "answers", "probabilities", "scored", "valued"]

_BATCH_EVENTS = 16384


@dataclass(frozen=True)
class Answers:
    """Logits after each event, (E, O), and to each question, (Q, O), both float32."""

    events: NDArray[np.float32]
    asks: NDArray[np.float32]


def answers(model: Any, histories: Histories) -> Answers:
    """Run a train graph over whole histories, cut only where they start anew. Questions need one with `asks=True`."""
    outputs = model.outputs[0].shape[-1]
    events = np.zeros((len(histories.codes), outputs), np.float32)
    asks = np.zeros((len(histories.ask_time), outputs), np.float32)
    run = tf.function(lambda codes, numbers: model([codes, numbers])[0], input_signature=_signature(model))
    whole = crops(histories, int(histories.lengths.max(initial=1)))
    nothing = np.full(len(events), -1, np.int64) if takes_asks(model) else None
    turns: list[NDArray[np.int64] | None] = [*rounds(histories), *([] if len(asks) else [nothing])]
    for chosen in turns:
        for batch in batches(histories, whole, _BATCH_EVENTS, chosen):
            given, width = run(batch.codes, batch.numbers).numpy(), batch.events.shape[1]
            events[batch.events[batch.events >= 0]] = given[:, :width][batch.events >= 0]
            if chosen is not None:
                asks[batch.asks[batch.asks >= 0]] = given[:, width:][batch.asks >= 0]
    return Answers(events, asks)


class Walker:
    """A train graph without questions, compiled once and run over whole histories as `answers` does."""

    def __init__(self, trunk: Trunk, weights: Weights) -> None:
        model = build(trunk)
        assign(model, weights)
        self.units = int(model.outputs[1].shape[-1])
        self._run = tf.function(lambda codes, numbers: model([codes, numbers]), input_signature=_signature(model))

    def __call__(
        self, histories: Histories
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
        """Events (n,) with their logits (n, O) and embeddings (n, U), batch by batch."""
        for batch in batches(histories, crops(histories, int(histories.lengths.max(initial=1))), _BATCH_EVENTS):
            logits, embeddings = (output.numpy() for output in self._run(batch.codes, batch.numbers))
            inside = batch.events >= 0
            yield batch.events[inside], logits[inside], embeddings[inside]


def probabilities(logits: NDArray[np.float32], head: Head) -> NDArray[np.float64]:
    """A head's calibrated outputs from the logits `(n, O)`, as its graphs give them.

    `(n,)` probabilities of yes, `(n, V)` of each next event, or the `(n, 3)` outputs of a number.
    """
    columns = logits[:, head.start : head.start + head.size].astype(np.float64)
    if isinstance(head, BinaryHead):
        yes: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -(columns[:, 0] * head.scale + head.offset)))
        return yes
    if isinstance(head, ValueHead):
        outputs: NDArray[np.float64] = columns * head.scale + np.array(head.offsets)
        return outputs
    powers = np.exp((columns - columns.max(1, keepdims=True)) / head.temperature)
    shares: NDArray[np.float64] = powers / powers.sum(1, keepdims=True)
    return shares


def scored(histories: Histories, head: BinaryHead, cutoff: float | None) -> tuple[bool, NDArray[np.int64]]:
    """What a yes/no head is judged on: the questions at `cutoff` if there is one, else the prefixes.

    Returns whether these are questions, and the indices of those with a known label.
    """
    if cutoff is None:
        return False, np.flatnonzero(histories.labels[:, head.start] >= 0)
    return True, np.flatnonzero((histories.ask_labels[:, head.start] >= 0) & (histories.ask_time == cutoff))


def valued(
    histories: Histories, head: ValueHead, cutoff: float | None
) -> tuple[bool, NDArray[np.int64], NDArray[np.float64]]:
    """What a number's head is judged on, as `scored` does; returns the numbers too."""
    column = (head.start - histories.labels.shape[1]) // head.size
    if cutoff is None:
        known = np.flatnonzero(~np.isnan(histories.values[:, column]))
        return False, known, histories.values[known, column].astype(np.float64)
    known = np.flatnonzero(~np.isnan(histories.ask_values[:, column]) & (histories.ask_time == cutoff))
    return True, known, histories.ask_values[known, column].astype(np.float64)


def _signature(model: Any) -> list[Any]:
    return [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
