"""Writes a bundle with every kind of step graph, from random weights: `python fixture.py PATH`, where TensorFlow is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from msgspec.structs import replace

import made_up
from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.heads import calibrated
from nearsight_export.making import Maker
from nearsight_export.samples import Samples

PRECISIONS = {"step.tflite": "int8", "step.onnx": "fp32", "step.npz": "fp32"}


def main(path: Path) -> None:
    whole = made_up.bundle()
    trunk, folded = whole.manifest.trunk, calibrated(made_up.weights(whole.manifest.trunk), whole.manifest.heads)
    maker = Maker(trunk, folded, whole.manifest.window, _no_samples(trunk))
    graphs = {name: maker.make(f"{precision}/{name}") for name, precision in PRECISIONS.items() if name != "step.npz"}
    members = {**whole.members, **graphs}
    write_bundle(path, Bundle(replace(whole.manifest, members=sealed(members, PRECISIONS)), members))


def _no_samples(trunk: object) -> Samples:
    """Dynamic ranges need no calibration."""
    none = np.zeros((0, 0))
    return Samples(
        step_codes=none,
        step_numbers=none,
        step_states=none,
        window_codes=none,
        window_numbers=none,
        window_lengths=none,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
