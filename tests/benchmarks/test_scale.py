import msgspec
import pytest

from nearsight_benchmarks.crowd import crowd
from nearsight_benchmarks.scale import parted, sequences, train_file


def test_a_crowd_is_the_same_for_a_seed_and_in_the_order_of_time():
    log = crowd(50, 3000, 3)
    assert log.equals(crowd(50, 3000, 3))
    assert not log.equals(crowd(50, 3000, 4))
    assert log["time"].is_sorted()
    assert log.select("user", "country").unique().height == log["user"].n_unique() <= 50
    counts = log["event"].value_counts(sort=True)
    assert counts["event"][0] == "purchase"
    assert counts["count"][0] / counts["count"][1] == pytest.approx(2, abs=0.5)  # Zipf


def test_an_even_crowd_gives_everybody_as_many_events():
    assert crowd(40, 400, 1, is_even=True).group_by("user").len()["len"].to_list() == [10] * 40


def test_a_tiny_log_is_read_in_a_process_of_its_own(tmp_path):
    found = sequences(tmp_path, 4000, 200, 1, 2)
    assert (found.events, found.users) == (4000, 200)
    assert found.questions > 4000
    stages = dict(found.seconds)
    assert stages.pop("all") == pytest.approx(sum(stages.values()))
    assert found.process_seconds > sum(stages.values())
    assert found.peak_megabytes > 50


def test_a_log_is_read_whole_and_in_parts(tmp_path):
    found = parted(tmp_path, 20_000, 900, "64GB", 2)
    assert (found.events, found.users, found.parts) == (20_000, 900, 2)
    assert len((tmp_path / "large.csv").read_text().splitlines()) == 20_001
    assert min(found.whole_megabytes, found.parts_megabytes) > 50
    assert sorted(place.name for place in tmp_path.iterdir()) == ["large.csv", "parts.json"]


def test_training_is_timed_on_as_many_histories_as_were_asked_for(tmp_path):
    crowd(240, 240 * 8, 1, is_even=True).write_csv(tmp_path / "even.csv")
    train_file(str(tmp_path / "even.csv"), "200", "2", str(tmp_path / "out.json"))
    found = msgspec.json.decode((tmp_path / "out.json").read_bytes())
    assert len(found["seconds"]) == 2
    assert found["cpu_seconds"] > 0.1
