"""How far an artifact may lie from the float32 model that it was made from, and why that far."""

import msgspec

from nearsight.conformance import Tolerance

__all__ = ["DECIDABLE", "Bound", "bound", "tolerances"]

DECIDABLE = (
    1000  # a change of AUC or calibration is held to its bound where each class has at least this many decisions
)


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for one precision.

    `error` is the largest difference of any probability and `mean_error` their mean, `flipped` the share of decisions
    that may change sides of a head's threshold, `auc` and `calibration` the largest changes of AUC and expected
    calibration error, `drift` the largest difference of any probability in 10,000 steps without an end, `embedding` the
    largest distance of an embedding, by its length. On invented histories `readings` is the largest difference of any
    number of a reading, embedding included, and `state` that of a state's number.
    """

    error: float
    mean_error: float
    flipped: float
    auc: float
    calibration: float
    drift: float
    embedding: float
    readings: float
    state: float
    reason: str


_FP32 = Bound(
    error=1e-5,
    mean_error=1e-6,
    flipped=0.001,
    auc=1e-4,
    calibration=1e-3,
    drift=1e-5,
    embedding=1e-5,
    readings=1e-5,
    state=1e-4,
    reason="The same float32 arithmetic with its sums in another order: a few units in the last place (6e-8) per "
    "operation, damped by gates below 1; 1e-6 was measured at most. A wrong gate, tap or parity shows at 1e-3 or more.",
)
_FP16 = Bound(
    error=5e-3,
    mean_error=1e-3,
    flipped=0.005,
    auc=5e-4,
    calibration=2e-3,
    drift=5e-3,
    embedding=5e-3,
    readings=5e-3,
    state=0.05,
    reason="Weights keep 11 significant bits, so each is off by up to 2.4e-4 of itself; a logit sums about a hundred "
    "such products with signs that mostly cancel, and a probability moves by at most a quarter of its logit: 7e-4 was "
    "measured at most.",
)
_INT8 = Bound(
    error=0.1,
    mean_error=0.01,
    flipped=0.03,
    auc=0.002,
    calibration=0.01,
    drift=0.1,
    embedding=0.1,
    readings=0.1,
    state=0.5,
    reason="A weight is off by up to 1/254 of its matrix's largest, an activation by 1/254 of its row's largest. One "
    "probability in 50,000 was seen to move by 0.07 where two events were about equally likely, while their mean moved "
    "by 0.0006; what matters is the answer, so AUC may change by no more than 0.002, less than test data can tell. "
    "Embeddings were off by 0.01 of their length in the middle and 0.08 at most; two users are 0.7 to 1.2 apart.",
)
_INT8_FULL = msgspec.structs.replace(
    _INT8,
    readings=0.25,
    reason="Weights as in int8. What products read and give has 8 bits over a range that was calibrated on real "
    "states, the extreme ones among them, on a stream of 2,000 events and on invented histories, instead of over each "
    "row's own: answers and embeddings were off by twice as much as in int8, single numbers of an embedding by 0.16 at "
    "most. Memory is held in floats: with 8 bits for the state, too, probabilities moved by up to 0.83, AUC by 0.04.",
)
_INT16X8 = msgspec.structs.replace(
    _INT8,
    reason="Weights as in int8; activations and state are 16-bit integers with ranges that were calibrated on real "
    "states, the extreme ones among them, on a stream of 2,000 events and on invented histories: their rounding is far "
    "below the weights', and errors were those of int8 or less.",
)
_INT4 = msgspec.structs.replace(
    _INT8,
    reason="Activations as in int8. Weights that have learned to live with 4 bits lie on the artifact's grid already, "
    "and only a head's are rounded anew, by its calibration: errors were those of int8. Weights that haven't are off "
    "by up to 1/14 of their column's largest; that flipped 5 % of decisions on eshop2008, which is refused.",
)
_BOUNDS = {
    "fp32": _FP32,
    "fp16": _FP16,
    "int8": _INT8,
    "int8-full": _INT8_FULL,
    "int16x8": _INT16X8,
    "int4": _INT4,
}


def bound(artifact: str) -> Bound:
    """The bound for an artifact named `VARIANT/MEMBER`."""
    return _BOUNDS[artifact.split("/")[0]]


def tolerances() -> dict[str, Tolerance]:
    """What clients are held to on invented histories: the steps' bounds."""
    return {name: Tolerance(readings=limit.readings, state=limit.state) for name, limit in _BOUNDS.items()}
