"""Scoring a log with a bundle: as many answers as users, the run's own, and errors that name the place."""

import numpy as np
import polars as pl
import pytest

import nearsight
from nearsight.errors import InputError
from nearsight_training.predict import predict
from nearsight_training.run import load_histories
from training.test_table import bundle_of


@pytest.fixture(scope="module")
def bundle(small_run, tmp_path_factory):
    return bundle_of(*small_run, tmp_path_factory.mktemp("bundle") / "small.nsight")


def test_asked_at_the_cutoff_the_tested_users_get_the_runs_own_answers(small_run, bundle, tmp_path, quarter):
    run, folder = small_run
    frame = pl.read_parquet(quarter)
    frame.drop("event").rename({"user": "customer", "time": "day"}).write_parquet(tmp_path / "log.parquet")
    found = predict(bundle, tmp_path / "log.parquet", user="customer", time="day", at="1997-09-30", runtime="numpy")
    histories = load_histories(folder)
    chances = np.array([row.probability["purchase"] for row in found.predictions])
    assert len(chances) == len(histories)
    tested = chances[histories.split == 2]
    yes = np.array([row.yes["purchase"] for row in found.predictions])[histories.split == 2]
    labels = histories.select(2).ask_labels[:, 0]
    assert (yes == labels).mean() == pytest.approx(run.metrics["purchase"]["accuracy"].value)
    assert np.log(np.where(labels, tested, 1 - tested)).mean() == pytest.approx(
        -run.metrics["purchase"]["log_loss"].value, abs=1e-5
    )


def test_without_a_time_the_answer_follows_the_last_event(bundle, tmp_path):
    rows = {"user": ["b", "a", "a"], "time": [3.0, 1.0, 2.0], "cds": [1.0, 2.0, None], "dollars": [9.0, 5.0, 5.0]}
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    found = predict(bundle, tmp_path / "log.parquet", runtime="numpy")
    assert [row.who for row in found.predictions] == ["a", "b"]
    assert found.predictions[0].probability != found.predictions[1].probability


def test_a_number_that_is_missing_everywhere_is_missing(bundle, tmp_path):
    (tmp_path / "log.csv").write_text("user,time,cds,dollars\nu,1,2,\nu,2,,\n")
    rows = {"user": ["u", "u"], "time": [1.0, 2.0], "cds": [2.0, None], "dollars": [None, None]}
    pl.DataFrame(rows, schema_overrides={"dollars": pl.Float64}).write_parquet(tmp_path / "log.parquet")
    events = [("purchase", 1.0, {"cds": 2.0}), ("purchase", 2.0, {})]
    expected = nearsight.load(bundle, runtime="numpy").score_many([events])["purchase"][0]
    for name in ("log.csv", "log.parquet"):
        found = predict(bundle, tmp_path / name, runtime="numpy")
        assert found.predictions[0].probability["purchase"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("user,time,cds\nu,1,1\n", {}, "no column 'dollars'"),
        ("user,time,cds,dollars\nu,1,1,\nu,2,inf,3\n", {}, "line 3: column 'cds' must hold finite"),
        ("user,time,cds,dollars\nu,1,1,2\nu,2,,n/a\n", {}, "line 3: column 'dollars' must hold numbers"),
        (
            "user,time,cds,dollars\nu,868838401,1,2\n",
            {"at": 868838400},
            "at or before 1997-07-14, the first is of 1997-07-14 00:00:01: pass a later time",
        ),
        ("user,time,cds,dollars\nu,soon,1,2\n", {}, "line 2: column 'time'"),
        ("user,time,cds,dollars\n", {}, "holds no events"),
    ],
)
def test_bad_logs_are_refused(bundle, tmp_path, text, options, words):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        predict(bundle, tmp_path / "log.csv", runtime="numpy", **options)
