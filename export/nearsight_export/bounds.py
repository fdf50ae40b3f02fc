"""How far an artifact may lie from the float32 model that it was made from, and why that far."""

import msgspec

from nearsight.conformance import Tolerance

__all__ = ["DECIDABLE", "Bound", "bound", "tolerances"]

DECIDABLE = (
    1000  # a change of AUC or calibration is held to its bound where each class has at least this many decisions
)


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for one precision.

    `error` is the largest difference of any probability, `flipped` the share of decisions that may change sides of a
    head's threshold, `auc` and `calibration` the largest changes of AUC and expected calibration error, `drift` the
    largest difference of any probability in 10,000 steps without an end, `state` that of a state's number.
    """

    error: float
    flipped: float
    auc: float
    calibration: float
    drift: float
    state: float
    reason: str


_FP32 = Bound(
    error=1e-5,
    flipped=0.001,
    auc=1e-4,
    calibration=1e-3,
    drift=1e-5,
    state=1e-4,
    reason="The same float32 arithmetic with its sums in another order: a few units in the last place (6e-8) per "
    "operation, damped by gates below 1. Ten times what was measured on real histories leaves room for others; "
    "a wrong gate, tap or parity shows at 1e-3 and more. Only decisions within the error of a threshold can flip.",
)
_FP16 = Bound(
    error=5e-3,
    flipped=0.005,
    auc=5e-4,
    calibration=1e-3,
    drift=5e-3,
    state=0.05,
    reason="Weights keep 11 significant bits, so each is off by up to 2.4e-4 of itself; a logit sums about a hundred "
    "such products with signs that mostly cancel, and a probability moves by at most a quarter of its logit.",
)
_INT8 = Bound(
    error=0.05,
    flipped=0.03,
    auc=0.002,
    calibration=0.01,
    drift=0.05,
    state=0.5,
    reason="A weight is off by up to 1/254 of its matrix's largest and an activation by 1/254 of its row's largest; "
    "what matters is the answer, so AUC may change by no more than 0.002, below what test data of this size can tell.",
)
_FULL = msgspec.structs.replace(
    _INT8,
    reason="Weights as in int8; activations and state are 16-bit integers whose ranges were calibrated on real states "
    "and on a stream of 2,000 events, so that clipping is rare and rounding is far below the weights'. With 8 bits for "
    "the state, memory cells moved by up to 1.7 and probabilities by 0.06, so that variant isn't made.",
)
_FULL_WINDOW = msgspec.structs.replace(
    _INT8,
    error=0.1,
    reason="As the step in int8-full, but the unrolled cells have hundreds of tensors, each with a range of its own "
    "that 256 windows calibrate, so that a rare history is clipped (0.03 was measured). With 8 bits for activations "
    "the error was 0.15 and its mean 0.04, so that variant isn't made.",
)
_BOUNDS = {"fp32": _FP32, "fp16": _FP16, "int8": _INT8, "int8-full": _FULL}


def bound(artifact: str) -> Bound:
    """The bound for an artifact named `VARIANT/MEMBER`."""
    precision, member = artifact.split("/")
    return _FULL_WINDOW if precision == "int8-full" and member.startswith("window") else _BOUNDS[precision]


def tolerances() -> dict[str, Tolerance]:
    """What clients are held to on invented histories: the steps' bounds."""
    return {name: Tolerance(readings=limit.error, state=limit.state) for name, limit in _BOUNDS.items()}
