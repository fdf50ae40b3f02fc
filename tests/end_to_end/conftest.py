from dataclasses import dataclass
from pathlib import Path

import pytest

from nearsight_export.export import ExportConfig, export
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.datasets import cdnow
from nearsight_training.train import train_log

CONFIG = LogConfig(
    split="user",
    cutoff="1997-09-30",
    targets=(Target(name="buys again", events=("purchase",), within_seconds=273 * 86400.0),),
    size=Size(filters=16, units=24),
    fitting=Fitting(epochs=4, learning_rate=1e-2, batch_events=1024, dropout=0.0),
)


@dataclass
class Job:
    run: Path
    bundle: Path


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """A third of CDNOW's customers from the log to a float32 bundle that every runtime can run."""
    table = cdnow()
    third = Table(table.name, table.frame.filter(table.frame["user"].cast(int) % 3 == 0), 1)
    folder = tmp_path_factory.mktemp("job")
    train_log(third, CONFIG, folder / "run")
    members = ("step.tflite", "step.onnx", "step.npz")
    chosen = ExportConfig(variant="fp32", variants=("fp32",), passes=(), members=members)
    export(folder / "run", chosen, folder / "model.nsight")
    return Job(folder / "run", folder / "model.nsight")
