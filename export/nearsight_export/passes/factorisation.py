"""Low-rank factorisation: an LSTM's kernel as two thinner matrices, of which a step reads fewer bytes."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends.reference import NumpyBackend
from nearsight.errors import InputError
from nearsight.networks.lstm import kernel_of
from nearsight.trunk import Trunk, step
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.tuning import Lesson
from nearsight_export.replay import replayed
from nearsight_export.reports import PassReport, Tensor
from nearsight_export.tape import Tape
from nearsight_training.histories import Histories
from nearsight_training.network import canonical
from nearsight_training.progress import SILENT, Progress

__all__ = ["factorised", "highest_rank", "thinned"]

_STEPS = 200  # at least
_EVENTS = 5000  # of training histories, on which the kernel's energy is weighed
_FAINTEST = 1e-12  # of the largest axis' energy, below which rounding is all there is
_PARTS = ("lstm_down_kernel", "lstm_up_kernel")
_LEFT = "it is no part of the LSTM's kernel"


def factorised(model: Model, desk: Desk, rank: int, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Make the LSTM's kernel the product of two matrices of that rank, which then learn from the whole network.

    Raises `InputError` where the network has no such kernel, or where two of that rank hold no fewer numbers.
    """
    _check(model.trunk, rank)
    thin, share = thinned(model, desk.training.limited(_EVENTS, desk.run.seed), rank)
    lesson, pupil = Lesson(desk, "Factorising").lasting(_STEPS), thin.graph(train_embeddings=desk.trained)
    apart = lesson.given(model.graph(train_embeddings=desk.trained), pupil, progress)
    found = Model(thin.trunk, canonical(pupil))
    said = f"the LSTM's kernel has rank {rank}, which holds {100 * share:.1f} % of its energy on real events"
    progress.finish(said)
    return found, PassReport(
        name="low_rank",
        said=said,
        tensors={name: Tensor.of(found.weights[name]) for name in _PARTS},
        skipped={name: _LEFT for name in found.weights if name not in _PARTS},
        steps=lesson.steps,
        validation_difference=apart,
    )


def thinned(model: Model, histories: Histories, rank: int) -> tuple[Model, float]:
    """The model with the nearest kernel of that rank, and the share of the kernel's energy that it holds.

    Nearest is what changes the gates' logits least on these histories, in squares: the energy is the sum of the squares
    of what the kernel adds to them. By Eckart & Young (1936) these are the largest principal axes of the logits, which
    is a truncated singular value decomposition whose rows are weighed by what they meet. Both matrices have the same
    share of each axis: 8-bit steps round what lies between them by its largest number.
    """
    kernel, logits = kernel_of(model.weights), _met(model, histories)
    energies, axes = np.linalg.eigh(logits.T @ logits)
    most, kept = energies[-1], axes[:, ::-1][:, :rank]
    spread = np.maximum(energies[::-1][:rank] / most, _FAINTEST) ** 0.25
    parts = dict(zip(_PARTS, (kernel @ kept / spread, spread[:, np.newaxis] * kept.T), strict=True))
    weights = {name: array for name, array in model.weights.items() if name not in ("lstm_kernel", *_PARTS)}
    weights |= {name: np.ascontiguousarray(array, np.float32) for name, array in parts.items()}
    share = float(energies[::-1][:rank].sum() / energies.sum())
    return Model(msgspec.structs.replace(model.trunk, rank=rank), weights), share


def highest_rank(trunk: Trunk) -> int:
    """The highest rank at which two matrices hold fewer numbers than the LSTM's kernel does; 0 where there is none."""
    if trunk.rank:
        return trunk.rank - 1
    rows, columns = trunk.weight_shapes.get("lstm_kernel", (0, 1))
    return max(0, (rows * columns - 1) // (rows + columns))


def _met(model: Model, histories: Histories) -> NDArray[np.float64]:
    """What the kernel adds to the gates' logits at each event and question, `(E + Q, 4·U)`."""
    trunk, weights = model.trunk, model.weights
    replay = replayed(NumpyBackend(weights, trunk), trunk, histories, keep=True)
    codes = np.concatenate([histories.codes, histories.ask_codes])
    numbers = np.concatenate([histories.numbers, histories.ask_numbers])
    tape = Tape(weights)
    step(tape, trunk, weights, codes, numbers, np.concatenate([replay.states, replay.asked_states]))
    logits = tape.signals["lstm_up" if trunk.rank else "lstm"]
    return (logits - weights["lstm_bias"]).astype(np.float64)


def _check(trunk: Trunk, rank: int) -> None:
    if "lstm_bias" not in trunk.weight_shapes:
        raise InputError(f"low_rank needs an LSTM, received a {trunk.kind} network: leave it out")
    if rank > (highest := highest_rank(trunk)):
        advice = "ask for a lower one" if highest else "leave it out"
        raise InputError(
            f"low_rank must leave a rank of {highest} at most, as more holds no fewer numbers than the LSTM's kernel, "
            f"received {rank}: {advice}"
        )
