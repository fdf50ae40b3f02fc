"""A variational autoencoder (Kingma & Welling 2014): a history as a point, and how unlike its training's the event is.

`networks.mlp` encodes a history; two layers read the latent vector's mean and, in training, the logarithm of its
variance. The heads read the mean, and a decoder gives the newest embedded row back from it. How far that lies from the
row, the mean squared difference over its D numbers, is the anomaly score (An & Cho 2015): small for an event as in the
training's histories, large for one that the network couldn't learn to expect.

The embedding `(U,)` is the latent mean `(U - 1,)` and, in its last place, the anomaly score. The state is that of
`networks.mlp`.
"""

from typing import Any

import numpy as np

from nearsight.networks import mlp
from nearsight.networks.mlp import state_size
from nearsight.operations import Ops, Shapes, Sizes, Tensors

__all__ = ["decoded", "moved", "placed", "state_size", "weight_shapes"]


def weight_shapes(sizes: Sizes) -> Shapes:
    """The `spread` layer gives the logarithm of the variance and has work in training alone."""
    filters, latent = sizes.filters, sizes.units - 1
    return {
        "frame_kernel": (sizes.row_size, filters),
        "frame_bias": (filters,),
        "dense_kernel": (2 * filters, filters),
        "dense_bias": (filters,),
        "latent_kernel": (filters, latent),
        "latent_bias": (latent,),
        "spread_kernel": (filters, latent),
        "spread_bias": (latent,),
        "unfold_kernel": (latent, filters),
        "unfold_bias": (filters,),
        "decoded_kernel": (filters, sizes.row_size),
        "decoded_bias": (sizes.row_size,),
    }


def moved(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, state: Any) -> tuple[Any, Any, Any]:
    """A row `(B, D)` meets the state `(B, S)` → what the heads read, the embedding `(B, U)` and the next state."""
    frame, mean, next_state = mlp.averaged(ops, sizes, weights, row, state)
    latent, embedding = placed(ops, sizes, weights, row, mlp.read(ops, weights, mean, frame))
    return latent, embedding, next_state


def placed(ops: Ops, sizes: Sizes, weights: Tensors, row: Any, encoded: Any) -> tuple[Any, Any]:
    """The latent mean `(B, U - 1)` of what was encoded `(B, F)`, and with the row's anomaly score `(B, U)`."""
    latent = ops.dense(encoded, weights["latent_kernel"], weights["latent_bias"])
    apart = row - decoded(ops, weights, latent)
    shares = np.full((sizes.row_size, 1), 1 / sizes.row_size, np.float32)
    return latent, ops.concat([latent, ops.dense(apart * apart, shares, np.zeros(1, np.float32))])


def decoded(ops: Ops, weights: Tensors, latent: Any) -> Any:
    """The row `(B, D)` that the decoder expects of a latent vector `(B, U - 1)`."""
    unfolded = ops.relu(ops.dense(latent, weights["unfold_kernel"], weights["unfold_bias"]))
    return ops.dense(unfolded, weights["decoded_kernel"], weights["decoded_bias"])
