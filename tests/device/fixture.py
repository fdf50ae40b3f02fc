"""Writes a bundle from random weights: `python fixture.py PATH`. Where TensorFlow is, it has every step graph."""

import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
import numpy as np
from msgspec.structs import replace

import made_up
from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.heads import calibrated
from nearsight.trunk import Trunk, Weights
from nearsight_export.vectors import invented

PRECISIONS = {"step.tflite": "int8", "step.onnx": "fp32", "step.npz": "fp32"}


def main(path: Path) -> None:
    whole = made_up.bundle()
    trunk = whole.manifest.trunk
    weights = calibrated(made_up.weights(trunk), whole.manifest.heads)
    vectors = msgspec.json.encode(invented(whole.manifest, weights, seed=0))
    graphs = made(trunk, weights, whole.manifest.window) if find_spec("tensorflow") else {}
    members = {**whole.members, **graphs, "vectors.json": vectors}
    write_bundle(path, Bundle(replace(whole.manifest, members=sealed(members, PRECISIONS)), members))


def made(trunk: Trunk, weights: Weights, window: int) -> dict[str, bytes]:
    from nearsight_export.making import Maker
    from nearsight_export.samples import Samples

    none = np.zeros((0, 0))  # a dynamic range needs no calibration
    maker = Maker(trunk, weights, window, Samples(**dict.fromkeys(Samples.__struct_fields__, none)))
    return {name: maker.make(f"{PRECISIONS[name]}/{name}") for name in ("step.tflite", "step.onnx")}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
