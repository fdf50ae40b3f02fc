"""Where a step artifact lies apart from its source: the signal-to-noise ratio of each tensor.

Of a weight it is that of the numbers in the file, dequantised, against the float32 weight. A tensor within the step is
recorded while the file reads real held-out events one by one, each with the state that the float32 reference has then,
so that no error is handed on from one event to the next; it is compared with what `nearsight.trunk.step` computes in
NumPy at that place. Tensors are told by what they hold, not by names or their order: of those of one shape, the one
that resembles the reference's most. What a file holds in another form, because a pass or a runtime's tool rewrote it,
isn't told.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.backend import OUTPUTS
from nearsight.trunk import step
from nearsight_export.exam import Exam
from nearsight_export.held import Held
from nearsight_export.reports import Noise
from nearsight_export.tape import Tape
from nearsight_export.tensors import opened

__all__ = ["broken", "decibels", "measured"]

Floats = NDArray[np.float32]
_MOST = 120.0  # dB: sums of float32 in another order lie about 130 apart
_ALIKE = 0.9  # the cosine from which a tensor is taken for the reference's
_FALLS = 10.0  # dB below what is due, where some 3 were seen at most
_WEIGHT_BITS = 8  # at most; what has more is added to products
_FLOAT_DUE = {32: _MOST, 16: 70.0}  # by bits; a 16-bit float has 11 significant ones


def measured(member: str, content: bytes, exam: Exam) -> Noise:
    """The ratios of a step artifact. Raises what its runtime raises where it can't be run."""
    codes, numbers, states = exam.probe
    tape = Tape(exam.weights)
    outputs = step(tape, exam.trunk, exam.weights, codes, numbers, states)
    events = [
        {"codes": codes[at], "numbers": numbers[at], "state": states[at]}
        for at in (slice(event, event + 1) for event in range(len(codes)))
    ]
    inside = opened(member, content, events)
    tables = list(zip(exam.trunk.code_sizes, exam.trunk.embedding_sizes, strict=True))
    held_ones = [part for held in inside.weights for part in (held, *held.parted(tables))]
    weights, due = {}, {}
    for name, weight in exam.trunk.cut(exam.weights).items():
        shaped = [each for held in held_ones for each in held.shaped(weight.shape)]
        like = _resembling(weight, [each.numbers for each in shaped])
        if like is not None:
            weights[name] = decibels(weight, shaped[like].numbers)
            due[name] = _due(weight, shaped[like])
    signals = {}
    for name, signal in tape.signals.items():
        between = [each for each in inside.between if each.shape == signal.shape]
        like = _resembling(signal, between)
        if like is not None:
            signals[name] = decibels(signal, between[like])
    ends = zip(OUTPUTS, outputs, strict=True)
    signals |= {name: decibels(output, inside.outputs[name]) for name, output in ends if name in inside.outputs}
    return Noise(weights=weights, due=due, signals=signals)


def broken(noise: Noise) -> str:
    """Where a step lies further apart than its rounding explains, as the end of a sentence; empty where nowhere.

    That is the weight that falls short most of what is due, and where none does by 10 dB, the first tensor within the
    step that does so beside the least of the weights and of the tensors before it.
    """
    short = {name: noise.due[name] - found for name, found in noise.weights.items()}
    worst = max(short, key=lambda name: short[name], default="")
    if worst and short[worst] > _FALLS:
        return f"it breaks at {worst}: {noise.weights[worst]:.0f} dB where its rounding leaves {noise.due[worst]:.0f}"
    least, before = min(noise.weights.values(), default=_MOST), "the weights"
    for name, found in noise.signals.items():
        if found < least - _FALLS:
            return f"it breaks between {before} ({least:.0f} dB at least) and {name} ({found:.0f} dB)"
        least, before = min(least, found), name
    return ""


def decibels(signal: Floats, found: Floats) -> float:
    """The signal-to-noise ratio of what was `found` instead of a signal, 120 at most; 0 where it isn't a number."""
    true = signal.astype(np.float64)
    noise = float(np.sum((found.astype(np.float64) - true) ** 2))
    power = float(np.sum(true**2))
    if not np.isfinite(noise):
        return 0.0
    return min(_MOST, 10 * math.log10(power / noise)) if noise > 0 and power > 0 else _MOST


def _due(weight: Floats, held: Held) -> float:
    """What rounding to the file's bits leaves of a weight: floats' steps, even ones up to its largest number or, where
    it is added to products of whole numbers, theirs.
    """
    if not held.step:
        return _FLOAT_DUE[held.bits]
    width = held.step if held.bits > _WEIGHT_BITS else float(np.abs(weight).max()) / (2 ** (held.bits - 1) - 1)
    return min(_MOST, 10 * math.log10(12 * float(np.mean(weight.astype(np.float64) ** 2)) / width**2))


def _resembling(signal: Floats, candidates: Sequence[Floats]) -> int | None:
    """Which one has the largest cosine with a signal, None where none resembles it."""
    if not candidates or not signal.any():
        return None
    cosines = [_cosine(signal, each) for each in candidates]
    best = int(np.argmax(cosines))
    return best if cosines[best] >= _ALIKE else None


def _cosine(first: Floats, second: Floats) -> float:
    sizes = float(np.linalg.norm(first)) * float(np.linalg.norm(second))
    return float(np.vdot(first, second)) / sizes if sizes > 0 and np.isfinite(sizes) else 0.0
