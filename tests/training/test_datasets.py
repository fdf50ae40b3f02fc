"""The public data sets hold what their papers say."""

import os

import pytest

from nearsight.errors import InputError
from nearsight_training.datasets import bpic2012, cdnow


def test_cdnow_is_the_papers(cdnow_table, cdnow_prepared):
    """Fader & Hardie: 23,570 customers, 69,659 transactions; of these customers 29.9 % buy again after week 39."""
    frame = cdnow_table.frame
    assert frame["user"].n_unique() == 23_570
    assert frame["cds"].sum() == 167_881
    assert len(frame) == frame.select("user", "time").n_unique() == 67_591
    asked = cdnow_prepared.histories.ask_time == 875_577_600
    labels = cdnow_prepared.histories.ask_labels[asked, 0]
    assert len(labels) == 23_570
    assert labels.mean() == pytest.approx(0.299, abs=0.0005)


def test_cdnow_comes_from_the_package_where_no_folder_is_set(monkeypatch, cdnow_table):
    monkeypatch.delenv("NEARSIGHT_DATA", raising=False)
    assert cdnow().frame.equals(cdnow_table.frame)


def test_bpic2012_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("NEARSIGHT_DATA", raising=False)
    with pytest.raises(InputError, match="set NEARSIGHT_DATA"):
        bpic2012()


@pytest.mark.skipif(not os.environ.get("NEARSIGHT_DATA"), reason="NEARSIGHT_DATA isn't set, so there is no bpic2012")
def test_bpic2012_is_the_challenges():
    frame = bpic2012().frame
    assert (len(frame), frame["user"].n_unique(), frame["event"].n_unique()) == (262_200, 13_087, 24)
