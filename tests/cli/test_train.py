"""What the options of `train` ask the model."""

import json
from pathlib import Path

import pytest

from cli.conftest import SMALL, nearsight
from nearsight_training import parts

DAY = 86_400.0
LOG = ["train", "events.csv", "--user", "user_id", "--time", "timestamp", *SMALL, "--json"]
LEAVES = {"name": "inactive", "kind": "inactive", "events": [], "within_seconds": 5 * DAY}
BUYS = {"name": "purchase", "kind": "will_do", "events": ["purchase"], "within_seconds": 7 * DAY}
BEST_F1 = {"precision": None, "miss_costs": None}
UNUSED = {"within_events": None, "session_gap_seconds": None}


@pytest.mark.parametrize(
    ("options", "questions"),
    [
        ("--inactive 5d --name leaves", [LEAVES | {"name": "leaves"}]),
        (
            "--target purchase --within 7d --inactive 5d --active-within 2d",
            [BUYS, LEAVES | {"active_within_seconds": 2 * DAY}],
        ),
        ("--target purchase --within 7d --inactive 5d --name buys", [BUYS | {"name": "buys"}, LEAVES]),
        (
            "--target purchase --within session --reset-after 12h --split user",
            [BUYS | {"within_seconds": None, "session_gap_seconds": 43_200.0}],
        ),
    ],
)
def test_questions_become_heads_with_their_kind(
    shop: Path, tmp_path: Path, options: str, questions: list[dict[str, object]]
) -> None:
    done = nearsight(*LOG, *options.split(), "--no-next-event", "--out", tmp_path / "run", folder=shop)
    assert done.code == 0, done.err
    heads = json.loads(done.out)["heads"]
    assert len(heads) == len(questions)
    for head, question in zip(heads, questions, strict=True):
        given = {"active_within_seconds": None} | question
        assert {name: head[name] for name in given} == given


def test_a_log_that_fits_into_the_memory_is_not_parted(shop: Path, tmp_path: Path) -> None:
    done = nearsight(*LOG, "--inactive", "5d", "--memory", "4 GB", "--out", tmp_path / "run", folder=shop)
    assert done.code == 0, done.err
    assert json.loads(done.out)["config"]["parts"] == 1


def test_a_log_in_parts_says_so(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "parts_within", lambda path, memory: 2)
    done = nearsight(
        *LOG[:-1], "--inactive", "5d", "--split", "user", "--memory", "2GB", "--out", tmp_path / "run", folder=shop
    )
    assert done.code == 0, done.err
    assert "rows into 2 parts" in done.err
    assert "Note: read in 2 parts: " in done.out


def test_histories_begin_anew_and_events_are_counted_where_the_options_say_so(shop: Path, tmp_path: Path) -> None:
    options = ["--inactive", "5d", "--reset-after", "12h", "--reset-events", "50", "--out", tmp_path / "run"]
    done = nearsight(*LOG, *options, "--count", "purchase", "--count", "view", folder=shop)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["spec"]["reset"] == {"gap_seconds": 43_200.0, "max_events": 50}
    assert [count["name"] for count in told["spec"]["counts"]] == ["purchase", "view"]
    assert any(note.startswith("counts so far that the model sees: purchase (up to ") for note in told["notes"])


def test_an_event_that_cannot_be_counted_is_named_with_the_nearest(shop: Path, tmp_path: Path) -> None:
    done = nearsight(*LOG, "--inactive", "5d", "--count", "purchse", "--out", tmp_path / "run", folder=shop)
    assert done.code == 2
    assert "received 'purchse': did you mean 'purchase'?" in " ".join(done.err.split())
    assert not (tmp_path / "run").exists()


def test_questions_may_be_declared_in_a_file(shop: Path, tmp_path: Path) -> None:
    done = nearsight(
        "train", "events.csv", "--questions", "shop.toml", *SMALL, "--json", "--out", tmp_path / "run", folder=shop
    )
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert [head["name"] for head in told["heads"]] == ["buys", "leaves", "next_event"]
    assert told["config"]["targets"] == [
        BUYS | {"name": "buys", **UNUSED, "decision": BEST_F1},
        LEAVES | {"name": "leaves", "active_within_seconds": 2 * DAY, "rhythm": None, "decision": BEST_F1},
    ]
    assert told["spec"]["reset"]["gap_seconds"] == 43_200.0
    assert told["config"]["fitting"]["teach"] is False


def test_what_is_dropped_from_a_log_is_said(shop: Path, tmp_path: Path) -> None:
    """Rows without a user, rows that are there twice and a bot, planted into a log; the run counts what is left."""
    header, *rows = (shop / "events.csv").read_text().splitlines()
    bot = [f"bot,2026-01-05T00:00:{second:02d}+00:00,view,1.0,free" for second in range(30)]
    lacking = [f",{row.partition(',')[2]}" for row in rows[:4]]
    (tmp_path / "log.csv").write_text("\n".join([header, *rows, *rows[:3], *lacking, *bot]) + "\n")
    asked = ["train", "log.csv", "--user", "user_id", "--time", "timestamp", *SMALL]
    done = nearsight(*asked, "--drop-missing", "--drop-duplicates", "--most-per-minute", "20", folder=tmp_path)
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    for note in (
        f"Note: dropped 4 of {len(rows) + 37:,} rows: they lack a user",
        "Note: dropped 3 rows that repeat another",
        "Note: dropped 1 user with 30 events: more than 20 events within a minute",
    ):
        assert note in told
    run = json.loads((tmp_path / "runs/log/run.json").read_text())
    assert run["source"]["users"] == 200
    assert run["config"]["clean"] == {"missing": "drop", "duplicates": "drop", "most_per_minute": 20}


def test_a_training_begins_with_another_run_and_varies_what_it_reads(exported: Path, tmp_path: Path) -> None:
    options = [
        "--target",
        "purchase",
        "--within",
        "7d",
        "--from",
        "runs/events",
        "--event-dropout",
        "0.1",
        "--time-jitter",
        "0.2",
    ]
    done = nearsight(*LOG, *options, "--pretrain-epochs", "1", "--out", tmp_path / "run", folder=exported)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["config"]["augmentation"] == {"event_dropout": 0.1, "time_jitter": 0.2}
    assert told["config"]["origin"]["run"] == "runs/events"
    assert len(told["config"]["origin"]["weights"]) == 16
    notes = " ".join(told["notes"])
    assert "began with events (weights " in notes
    assert "heads taken: purchase, next_event" in notes
    assert "pre-training: validation's loss is" in notes
    assert set(told["gates"]["purchase"]["relies"]) == {"order", "time"}


def test_another_network_is_trained_where_the_option_says_so(shop: Path, tmp_path: Path) -> None:
    options = ["--network", "mlp", "--no-skip", "--inactive", "5d", "--no-next-event", "--out", tmp_path / "run"]
    done = nearsight(*LOG, *options, folder=shop)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["config"]["size"]["network"] == told["trunk"]["kind"] == "mlp"
    assert told["config"]["size"]["skip"] is False
    assert "skip" not in told["trunk"]
    usual = json.loads(nearsight(*LOG, *options[3:], folder=shop).out)["trunk"]
    assert usual["skip"] is True
    assert "kind" not in usual


def test_a_private_run_says_so_and_is_exported_unpruned(shop: Path, tmp_path: Path) -> None:
    log = [*LOG[:-1], "--inactive", "5d", "--private", "8", "--delta", "0.001", "--users-per-step", "50"]
    done = nearsight(*log, "--out", tmp_path / "run", folder=shop)
    assert done.code == 0, done.err
    assert "The network was trained with (8, 0.001)-differential privacy per user." in done.out
    done = nearsight("export", tmp_path / "run", "--variant", "fp32", "--only", "--json", folder=shop)
    assert done.code == 0, done.err
    assert json.loads(done.out)["certificate"]["passes"] == []
