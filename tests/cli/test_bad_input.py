"""Bad input: exit code 2, one sentence on standard error, and not a file more or less than before."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Outcome, nearsight, write_csv

HEADER = ["user_id", "timestamp", "event", "price"]
GOOD = [(f"u{n % 40}", f"2026-01-{1 + n // 20:02d}", "purchase" if n % 7 < 2 else "view", 9.5) for n in range(500)]
LOG = ["train", "log.csv", "--user", "user_id", "--time", "timestamp", "--target", "purchase", "--within", "2d"]
ASKED = ["--target", "purchase", "--within", "2d"]
WIDE = ["train", "wide.csv", "--layout", "wide"]


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, *arguments: object) -> str:
    """The sentence with which the command refuses its input."""
    before, folders = listing(folder), sorted(folder.rglob("*"))
    done: Outcome = nearsight(*arguments, folder=folder)
    assert (done.code, done.out) == (2, ""), done.err
    sentence = done.err
    assert sentence.startswith("nearsight: ")
    assert sentence.count("\n") == 1, sentence
    assert "Traceback" not in sentence
    assert listing(folder) == before
    assert sorted(folder.rglob("*")) == folders
    return sentence


def log(folder: Path, *, header: list[str] = HEADER, rows: list[object] = GOOD) -> Path:
    write_csv(folder / "log.csv", header, rows)
    return folder


def test_a_missing_file(tmp_path: Path) -> None:
    assert "log.csv" in refused(tmp_path, *LOG)


def test_a_misspelt_column_suggests_the_nearest(tmp_path: Path) -> None:
    sentence = refused(log(tmp_path), "train", "log.csv", "--user", "userid", "--time", "timestamp")
    assert "'userid'" in sentence
    assert "--user 'user_id'" in sentence


def test_a_misspelt_target_suggests_the_nearest(tmp_path: Path) -> None:
    sentence = refused(log(tmp_path), *LOG[:-4], "--target", "purchse", "--within", "2d")
    assert "purchse" in sentence
    assert "purchase" in sentence.replace("purchse", "")


def test_a_time_that_cannot_be_read_is_outlined_with_its_line(tmp_path: Path) -> None:
    rows = [*GOOD[:7], ("u1", "yesterday", "view", 1.0), *GOOD[7:]]
    sentence = refused(log(tmp_path, rows=rows), *LOG)
    assert "line 9" in sentence
    assert "yesterday" not in sentence
    assert "xxxxxxxxx" in sentence


@pytest.mark.parametrize(
    "row", [("", "2026-01-05", "view", 1.0), ("u1", "", "view", 1.0), ("u1", "2026-01-05", "", 1.0)]
)
def test_a_row_that_lacks_something_is_shown_with_its_line_and_the_way_out(row: tuple[object], tmp_path: Path) -> None:
    sentence = refused(log(tmp_path, rows=[*GOOD[:3], row, *GOOD[3:]]), *LOG)
    assert "line 5" in sentence
    assert "--drop-missing" in sentence


def test_a_log_of_nothing_but_bots(tmp_path: Path) -> None:
    rows = [(user, "2026-01-05T00:00:01", event, price) for user, _, event, price in GOOD]
    assert "no user left" in refused(log(tmp_path, rows=rows), *LOG, "--most-per-minute", "5")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_is_shown_with_its_line(value: str, tmp_path: Path) -> None:
    rows = [*GOOD[:3], ("u1", "2026-01-05", "view", value), *GOOD[3:]]
    sentence = refused(log(tmp_path, rows=rows), *LOG)
    assert "line 5" in sentence
    assert "price" in sentence


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    sentence = refused(log(tmp_path, header=["user_id", "timestamp", "event", "event"]), *LOG)
    assert "'event'" in sentence


@pytest.mark.parametrize("content", ["", "user_id,timestamp,event\n"])
def test_an_empty_log(content: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(content)
    assert "log.csv" in refused(tmp_path, *LOG)


def test_one_class_only(tmp_path: Path) -> None:
    rows = [(user, day, "purchase", price) for user, day, _, price in GOOD]
    refused(log(tmp_path, rows=rows), *LOG)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--target", "purchase"], "--within"),
        (["--within", "7d"], "--target"),
        (["--target", "purchase", "--within", "soon"], "soon"),
        (["--target", "purchase", "--within", "0d"], "0d"),
        (["--target", "purchase", "--within", "2d", "--cutoff", "someday"], "someday"),
        (["--every", "order", "--event", "event"], "--every"),
        (["--layout", "wide", "--user", "user_id"], "--user"),
        (["--layout", "wide", "--drop-missing", "--most-per-minute", "9"], "--drop-missing, --most-per-minute"),
        (["--layout", "wide", "--from", "runs/shop", "--time-jitter", "0.1"], "--time-jitter, --from"),
        (["--layout", "wide", "--memory", "2GB"], "--memory"),
        ([*ASKED, "--private", "0"], "epsilon lies above 0 and at 100 at most, received 0"),
        ([*ASKED, "--delta", "1e-6", "--users-per-step", "9"], "--delta, --users-per-step says how --private trains"),
        ([*ASKED, "--private", "4", "--teach"], "received --teach with --private: drop either"),
        ([*ASKED, "--private", "4", "--network", "vae"], "choose cnn_lstm, lstm, cnn or mlp"),
        ([*ASKED, "--private", "4", "--pretrain-epochs", "2"], "received pretrain_epochs (--pretrain-epochs): drop it"),
        (["--memory", "plenty"], "as in 2GB, received 'plenty'"),
        (["--memory", "0GB"], "received '0GB'"),
        (["--memory", "300MB"], "log.csv needs --memory 1.31GB at least, received 300MB: pass more"),
    ],
)
def test_options_that_do_not_fit(options: list[str], fragment: str, tmp_path: Path) -> None:
    assert fragment in refused(log(tmp_path), *LOG[:6], *options)


def test_a_folder_that_is_not_a_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("miaow")
    assert "photos" in refused(log(tmp_path), *LOG, "--out", "photos")


def test_a_run_below_a_file_is_refused_before_the_training(tmp_path: Path) -> None:
    assert "log.csv, which is none" in refused(log(tmp_path), *LOG, "--out", "log.csv/run")


STEPS = ["a", "b", "c", "bought"]


@pytest.mark.parametrize(
    ("header", "rows", "fragment"),
    [
        (STEPS, [(1, 2, 3, n % 3) for n in range(30)], "bought"),
        (STEPS, [(1, 2, 3, 0)] * 30, ""),
        (STEPS, [(1, 2, 3, n % 2) for n in range(30)] + [(1, "nan", 3, 1)], "line 32"),
        (STEPS, [(1, 2, 3, n % 2) for n in range(30)] + [(1, "many", 3, 1)], "'xxxx'"),
        (["a", "b", "b", "bought"], [(1, 2, 3, n % 2) for n in range(30)], "'b'"),
        (["bought"], [(n % 2,) for n in range(30)], ""),
        (STEPS, [], ""),
    ],
)
def test_a_wide_table_that_is_none(header: list[str], rows: list[object], fragment: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "wide.csv", header, rows)
    assert fragment in refused(tmp_path, *WIDE)


def truncated(bundle: bytes) -> bytes:
    return bundle[: len(bundle) // 2]


def altered(bundle: bytes) -> bytes:
    at = bundle.index(b"TFL3")
    return bundle[:at] + b"TFL4" + bundle[at + 4 :]


def newer(bundle: bytes) -> bytes:
    fresh = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as old, zipfile.ZipFile(fresh, "w") as archive:
        for entry in old.infolist():
            content = old.read(entry)
            archive.writestr(entry, content.replace(b'"format":1', b'"format":9', 1))
    return fresh.getvalue()


def not_a_zip(bundle: bytes) -> bytes:
    return b"name,price\n" * 40


@pytest.mark.parametrize("damage", [truncated, altered, newer, not_a_zip])
def test_a_bundle_that_cannot_be_trusted(damage: Callable[[bytes], bytes], exported: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.nsight").write_bytes(damage((exported / "model.nsight").read_bytes()))
    (tmp_path / "new.csv").write_bytes((exported / "new_user_behavior_data.csv").read_bytes())
    assert "bad.nsight" in refused(tmp_path, "inspect", "bad.nsight")
    assert "bad.nsight" in refused(tmp_path, "predict", "bad.nsight", "new.csv", "--out", "answers.csv")


def test_a_sample_longer_than_the_window(exported: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "long.csv", [f"step_{n}" for n in range(40)], [tuple(range(40))] * 3)
    (tmp_path / "model.nsight").write_bytes((exported / "model.nsight").read_bytes())
    assert "40" in refused(tmp_path, "predict", "model.nsight", "long.csv", "--out", "answers.csv")


def test_a_rank_that_saves_nothing(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "low.toml").write_text('[[passes]]\nkind = "low_rank"\nrank = 50\n')
    run = exported / "runs" / "events"
    assert "received 50" in refused(tmp_path, "export", run, "--recipe", "low.toml", "--out", "low.nsight")


@pytest.mark.parametrize("command", [["export", "nowhere"], ["bench", "nowhere"], ["inspect", "nowhere"]])
def test_something_that_is_not_there(command: list[str], tmp_path: Path) -> None:
    assert "nowhere" in refused(tmp_path, *command)


@pytest.mark.parametrize("option", [["--sparsity", "1.5"], ["--variant", "int3"]])
def test_options_of_export_that_do_not_exist(option: list[str], exported: Path) -> None:
    before = listing(exported)
    done = nearsight("export", "runs/events", *option, folder=exported)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert listing(exported) == before


def test_a_narrowing_without_the_question_that_it_narrows(tmp_path: Path) -> None:
    assert "--inactive 30d" in refused(log(tmp_path), *LOG, "--active-within", "2d")


def test_a_duration_without_a_unit(tmp_path: Path) -> None:
    for option in ("--inactive", "--reset-after"):
        assert "received '30'" in refused(log(tmp_path), *LOG, option, "30")


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        (None, "shop.toml can't be read"),
        ('[log]\nuser = = "u"\n', "line 2"),
        ('[log]\nusr = "u"\n', "usr"),
        ('[[question]]\nkind = "wil_do"\nname = "q"\n', "wil_do"),
        ('[[question]]\nkind = "inactive"\nname = "q"\nfor = "30"\n', "received '30'"),
    ],
)
def test_a_declaration_that_cannot_be_used(tmp_path: Path, declaration: str | None, words: str) -> None:
    if declaration is not None:
        (tmp_path / "shop.toml").write_text(declaration)
    assert words in refused(log(tmp_path), "train", "log.csv", "--questions", "shop.toml")


def test_questions_by_file_and_by_option(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('[log]\nuser = "user_id"\n')
    assert "received --user, --name as well" in refused(
        log(tmp_path), "train", "log.csv", "--questions", "shop.toml", "--user", "user_id", "--name", "q"
    )


def test_cleaning_by_file_and_by_option(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('[log]\nuser = "user_id"\n')
    options = ["--drop-missing", "--drop-duplicates", "--most-per-minute", "9"]
    assert "received --drop-missing, --drop-duplicates, --most-per-minute as well" in refused(
        log(tmp_path), "train", "log.csv", "--questions", "shop.toml", *options
    )
