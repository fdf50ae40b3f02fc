"""The large tensors of a network: those that passes over single weights are about, and why the others are spared."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nearsight.trunk import Trunk, Weights

__all__ = ["LARGE", "kernels", "spared", "spoken"]

LARGE = ("conv", "lstm", "frame", "dense")  # layers; a network has some of them
_SPARED = {
    "head_kernel": "small, and calibration rests on it",
    "latent_kernel": "small, and every answer rests on it",
    "spread_kernel": "it has work in training alone",
    "unfold_kernel": "the anomaly score rests on it",
    "decoded_kernel": "the anomaly score rests on it",
}


def kernels(trunk: Trunk, weights: Weights) -> dict[str, NDArray[np.float32]]:
    """The large tensors by name; an LSTM's two parts, for what comes in and for its own answers, are apart."""
    found = {name: weights[name] for name in (f"{layer}_kernel" for layer in LARGE) if name in weights}
    read = "lstm_down_kernel" if trunk.rank else "lstm_kernel"
    if read in weights:
        inner, recurrent = np.split(weights[read], [len(weights[read]) - trunk.units])
        found.pop(read, None)
        found |= {f"{read}/input": inner, f"{read}/recurrent": recurrent}
    if trunk.rank:
        found["lstm_up_kernel"] = weights["lstm_up_kernel"]
    return found


def spared(trunk: Trunk) -> dict[str, str]:
    """The tensors that are left alone, and why."""
    reasons = {}
    for name in trunk.weight_shapes:
        if name.startswith("embedding_"):
            reasons[name] = "a row is a name's only meaning"
        elif name.endswith("_bias"):
            reasons[name] = "biases are few"
        elif name in _SPARED:
            reasons[name] = _SPARED[name]
    return reasons


def spoken(tensors: Iterable[str]) -> str:
    """Tensors' layers in words."""
    layers = {"conv": "the convolution", "lstm": "the LSTM", "frame": "the first layer", "dense": "the last layer"}
    return " and ".join(layers[name] for name in dict.fromkeys(name.partition("_")[0] for name in tensors))
