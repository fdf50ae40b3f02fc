"""LightGBM in ONNX Runtime, converted by onnxmltools as its documentation tells."""

from typing import Any

import numpy as np

from nearsight.errors import InputError
from nearsight_export.ort import loaded
from nearsight_training.peers import BoostedTrees, Past, features_of

__all__ = ["OnnxTrees"]

_INPUT, _OUTPUT = "features", "probabilities"


class OnnxTrees:
    """The same trees on the same features; their thresholds are 32-bit floats there."""

    name = "LightGBM in ONNX"

    def __init__(self, model: bytes, kinds: int) -> None:
        self._model, self._kinds, self._session = model, kinds, loaded(model)

    @classmethod
    def converted(cls, trees: BoostedTrees, kinds: int) -> "OnnxTrees":
        """`kinds` is that of the features. Raises `InputError` where onnxmltools isn't installed or refuses."""
        try:
            from onnxmltools import convert_lightgbm
            from onnxmltools.convert.common.data_types import FloatTensorType
        except ImportError:
            raise InputError("it needs pip install 'nearsight[benchmarks]'") from None
        types = [(_INPUT, FloatTensorType([None, trees.booster.num_feature()]))]
        try:
            model: Any = convert_lightgbm(trees.booster, initial_types=types, zipmap=False)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"its conversion failed ({' '.join(str(error).split())})") from error
        return cls(bytes(model.SerializeToString()), kinds)

    def score(self, past: Past) -> float:
        """See `Peer.score`."""
        row = features_of(past, self._kinds).astype(np.float32)[np.newaxis]
        return float(self._session.run([_OUTPUT], {_INPUT: row})[0][0, 1])

    def content(self) -> bytes:
        """The file that would have to be shipped."""
        return self._model
