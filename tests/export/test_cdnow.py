"""Real purchases through the whole export: every variant keeps its bounds, and the default one its size."""

import pytest

import nearsight
from nearsight_export.export import ExportConfig, export
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, LogConfig, Target
from nearsight_training.datasets import cdnow
from nearsight_training.run import load_histories
from nearsight_training.train import train_log

CONFIG = LogConfig(
    split="user",
    cutoff="1997-09-30",
    targets=(Target(name="buys again", events=("purchase",), within_seconds=273 * 86400.0),),
    fitting=Fitting(epochs=2, batch_events=1024),
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A quarter of the customers and the network at its full size."""
    table = cdnow()
    quarter = Table(table.name, table.frame.filter(table.frame["user"].cast(int) % 4 == 0), 1)
    folder = tmp_path_factory.mktemp("cdnow")
    train_log(quarter, CONFIG, folder / "run")
    return export(folder / "run", ExportConfig(), folder / "model.nsight"), folder / "run"


def test_all_variants_keep_their_bounds(exported):
    found = {entry.artifact: entry for entry in exported[0].index.artifacts}
    assert len(found) == 11
    assert exported[0].certificate.source_error <= 1e-5
    for name in ("step.tflite", "window.tflite", "step.onnx", "window.onnx"):
        assert found[f"fp32/{name}"].certified.largest_error <= 1e-5
        assert found[f"int8/{name}"].certified.mean_error <= 0.005


def test_the_default_step_is_small_and_as_good(exported):
    step = next(entry for entry in exported[0].index.artifacts if entry.artifact == "int8/step.tflite")
    assert step.bytes <= 90_000
    assert abs(step.certified.heads["buys again"].auc_change) <= 0.002
    assert exported[0].certificate.lost_auc["buys again"].low <= 0.002
    assert step.certified.late_drift <= step.certified.drift <= 0.05
    assert {group.head for group in exported[0].certificate.groups} <= {"buys again"}


def test_every_test_customer_was_compared(exported):
    certificate, test = exported[0].certificate, load_histories(exported[1]).select(2)
    assert (certificate.histories, certificate.events) == (len(test), len(test.codes))
    assert certificate.artifacts[0].compared == len(test.codes) + len(test.ask_codes)


def test_a_device_streams_it(exported):
    session = nearsight.load(exported[0].bundle).session()
    first = session.observe("purchase", time=855_000_000.0, cds=1, dollars=12.0)["buys again"]
    for day in range(1, 6):
        last = session.observe("purchase", time=855_000_000.0 + day * 10 * 86400, cds=3, dollars=45.0)["buys again"]
    assert last > first  # six purchases within two months promise more than one
