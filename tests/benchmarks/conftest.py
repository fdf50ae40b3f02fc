"""A small trained run with every artifact and a bundle: what an export leaves, but for the proofs."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.heads import calibrated
from nearsight.manifest import Manifest, model_id
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.samples import collected
from nearsight_export.variants import artifacts
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.run import load_histories, load_run, load_weights
from nearsight_training.train import train_log

DAY = 86400
ROOT = Path(__file__).parents[2]
PRECISIONS = ("fp32", "fp16", "int8", "int8-full")


def shop(users, seed):
    """Users who buy at rates of their own over 120 days, look around before, and stop at some time."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        now, pace = rng.uniform(0, 20), rng.choice([3.0, 30.0])
        until = rng.uniform(20, 120)
        while now < until:
            rows.append((f"u{user:04}", now * DAY, "look", None))
            rows.append((f"u{user:04}", now * DAY + 600, "purchase", float(rng.integers(1, 50))))
            now += rng.exponential(pace)
    return Table("shop", pl.DataFrame(rows, ["user", "time", "event", "price"], orient="row"), 1)


CONFIG = LogConfig(
    targets=(Target(name="purchase", events=("purchase",), within_seconds=30 * DAY),),
    split="user",
    cutoff=80.0 * DAY,
    window=16,
    size=Size(filters=8, units=12),
    fitting=Fitting(epochs=6),
)


@pytest.fixture(scope="session")
def run_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmarks") / "run"
    train_log(shop(600, 7), CONFIG, path)
    run = load_run(path)
    weights = calibrated(load_weights(path), run.heads)
    folder = path / "artifacts"
    folder.mkdir()
    validation = load_histories(path).select(1)
    samples = collected(run.trunk, weights, run.window, validation, 0)
    prepare(folder, Job(trunk=run.trunk, window=run.window, artifacts=artifacts(PRECISIONS)), weights, samples)
    assert convert(folder) == {}
    return path


@pytest.fixture(scope="session")
def bundle_path(run_path):
    run, folder = load_run(run_path), run_path / "artifacts"
    weights = calibrated(load_weights(run_path), run.heads)
    buffer = io.BytesIO()
    np.savez(buffer, **weights)
    members = {name: (folder / "int8" / name).read_bytes() for name in ("step.tflite", "step.onnx")}
    members["step.npz"] = buffer.getvalue()
    precisions = {"step.tflite": "int8", "step.onnx": "int8", "step.npz": "fp32"}
    manifest = Manifest(
        name="shop",
        model=model_id(weights),
        created="2020-01-01T00:00:00+00:00",
        spec=run.spec,
        trunk=run.trunk,
        heads=run.heads,
        window=run.window,
        members=sealed(members, precisions),
        segments=run.beside.segmentation.segments,
        average=run.beside.average,
    )
    path = run_path.parent / "shop.nsight"
    write_bundle(path, Bundle(manifest, members))
    return path


@pytest.fixture(scope="session")
def device():
    """An interpreter with tflite-runtime and the runtime's name; where there is none, this one with LiteRT."""
    named = os.environ.get("NEARSIGHT_DEVICE_PYTHON")
    python = Path(named) if named else ROOT / ".venv-device" / "bin" / "python"
    if python.exists() and not subprocess.run([python, "-c", "import tflite_runtime"], capture_output=True).returncode:
        return python, "tflite"
    return Path(sys.executable), "litert"
