import os

import numpy as np
import polars as pl
import pytest

from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.datasets import bpic2012, cdnow
from nearsight_training.log import EventLog, log_of
from nearsight_training.preparation import prepare
from nearsight_training.train import train_log

DAY = 86400.0
TARGET = Target(name="purchase", events=("purchase",), within_seconds=273 * DAY)
CDNOW = LogConfig(split="user", cutoff="1997-09-30", targets=(TARGET,))


@pytest.fixture(scope="session")
def cdnow_table():
    return cdnow()


@pytest.fixture(scope="session")
def cdnow_log(cdnow_table):
    return log_of(cdnow_table, CDNOW)


@pytest.fixture(scope="session")
def cdnow_prepared(cdnow_log):
    return prepare(cdnow_log, CDNOW)


@pytest.fixture(scope="session")
def bpic_prepared():
    if not os.environ.get("NEARSIGHT_DATA"):
        pytest.skip("NEARSIGHT_DATA isn't set, so there is no bpic2012")
    accepted = Target(name="accepted", events=("A_ACCEPTED",), within_seconds=2 * DAY)
    config = LogConfig(targets=(accepted,))
    return prepare(log_of(bpic2012(), config), config)


@pytest.fixture(scope="session")
def small_config():
    return LogConfig(
        split="user",
        targets=(TARGET,),
        cutoff="1997-09-30",
        size=Size(filters=16, units=20),
        fitting=Fitting(epochs=6, dropout=0.0, batch_events=1024, learning_rate=1e-2),
    )


@pytest.fixture(scope="session")
def quarter(tmp_path_factory, cdnow_table):
    """A file with a quarter of CDNOW's customers, called "customer 00004" and so on."""
    path = tmp_path_factory.mktemp("logs") / "quarter.parquet"
    frame = cdnow_table.frame.filter(pl.col("user").cast(int) % 4 == 0)
    frame.with_columns(pl.concat_str(pl.lit("customer "), "user").alias("user")).write_parquet(path)
    return path


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, quarter, small_config):
    """A run trained on that quarter, and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    return train_log(quarter, small_config, folder), folder


def make_log(*histories, fields=None):
    """A log from lists of (time, name), one for each user."""
    lengths = [len(history) for history in histories]
    events = [event for history in histories for event in history]
    return EventLog(
        users=np.array([f"user {number}" for number in range(len(histories))]),
        starts=np.cumsum([0, *lengths[:-1]]).astype(np.int64),
        times=np.array([time for time, _ in events], np.float64),
        names=np.array([name for _, name in events]),
        fields=fields or {},
    )


@pytest.fixture(scope="session")
def logs():
    return make_log
