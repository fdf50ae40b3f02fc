"""A log in parts is the log: the same events, users and histories, and only one part in memory at a time."""

import gzip
import shutil
import weakref
from dataclasses import fields
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training import parts as in_question
from nearsight_training.blocks import extent
from nearsight_training.cleaning import Dropped
from nearsight_training.columns import Table
from nearsight_training.config import Cleaning, Fitting, Label, LogConfig, NextItem, Size, Target, Value
from nearsight_training.fit import fit, seeded
from nearsight_training.heads import heads_of
from nearsight_training.histories import Stored
from nearsight_training.learning import trunk_of
from nearsight_training.log import log_of, read_log
from nearsight_training.memory import bytes_of
from nearsight_training.network import build
from nearsight_training.parts import Parts, divided, in_parts, parts_within
from nearsight_training.preparation import prepare_more, prepare_split
from nearsight_training.run import load_histories, load_run
from nearsight_training.split import TRAIN, VALIDATION, plan
from nearsight_training.tensorflow import tf_keras
from nearsight_training.train import train_log

DAY = 86400.0
NAMES = np.array(["look", "cart", "buy"])
TARGET = Target(name="buys", events=("buy",), within_seconds=2 * DAY)
CONFIG = LogConfig(
    targets=(TARGET, Label(name="fraud", column="fraud", per="user")),
    values=(Value(name="spend", field="price", within_seconds=DAY),),
    next_item=NextItem(name="item", field="shop"),
    groups={"age": (30.0,)},
    split="user",
    asks=0,
    cutoff=20 * DAY,
    parts=6,
    size=Size(filters=4, units=6),
    fitting=Fitting(epochs=2, batch_events=256, teach=False),
)


def frame(events=6000, users=300, seed=0):
    generator = np.random.default_rng(seed)
    owners = generator.integers(0, users, events)
    prices = pl.Series(np.where(generator.random(events) < 0.7, generator.normal(10, 3, events).round(2), np.nan))
    return pl.DataFrame(
        {
            "user": pl.Series([f"u{owner}" for owner in owners]),
            "time": np.sort(generator.integers(0, int(40 * DAY), events)).astype(float),
            "event": NAMES[generator.integers(0, 3, events)],
            "price": prices.fill_nan(None),
            "shop": generator.choice(["north", "south", "east\nside"], events),
            "age": (owners % 50).astype(float),
            "fraud": (owners % 3 == 0).astype(int),
        }
    )


def written(folder, name, rows):
    path = folder / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(rows.write_csv().encode()))
    else:
        {".csv": rows.write_csv, ".jsonl": rows.write_ndjson, ".parquet": rows.write_parquet}[path.suffix](path)
    return path


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    return written(tmp_path_factory.mktemp("logs"), "log.csv", frame())


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.jsonl", "log.parquet"])
def test_the_parts_hold_every_row_once_and_every_user_whole(tmp_path, name):
    path = written(tmp_path, name, frame(2000, 90))
    whole = Table.read(path)
    parts = divided(path, CONFIG, tmp_path, size=10_000)
    tables = [parts.take(part) for part in range(parts.count)]
    assert parts.rows == len(whole) == sum(map(len, tables))
    users = [set(table.column("user")) for table in tables]
    assert sum(map(len, users)) == len(set().union(*users)) == 90
    assert all(5 <= len(each) <= 30 for each in users)  # 15 expected of each
    rows = {whole.line(row): whole.frame.row(row) for row in range(0, 2000, 97)}
    told = {table.line(row): table.frame.row(row) for table in tables for row in range(len(table)) if row % 5 == 0}
    assert len(rows.keys() & told.keys()) > 1
    assert all(told[line] == rows[line] for line in rows.keys() & told.keys())
    assert not list(tmp_path.glob("*.arrow"))


def test_another_seed_parts_users_otherwise_and_apart_from_the_split(tmp_path, logged):
    def users(seed):
        config = msgspec.structs.replace(CONFIG, fitting=Fitting(seed=seed))
        (tmp_path / str(seed)).mkdir()
        return set(divided(logged, config, tmp_path / str(seed)).take(0).column("user"))

    first, second = users(1), users(2)
    assert 30 <= len(first) <= 75
    assert len(first & second) < len(first) / 2
    log = read_log(logged, CONFIG)
    testing = set(log.users[plan(log, CONFIG).users != TRAIN])
    assert 0.1 < len(first & testing) / len(first) < 0.5  # 0.3 of all


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.parquet"])
def test_each_parts_histories_are_those_of_the_whole_log(tmp_path, name):
    path, out = written(tmp_path, name, frame()), tmp_path / "run"
    with in_parts(path, CONFIG, out) as (prepared, totals):
        further = [each.read() for each in prepared.further]
        parts = divided(path, CONFIG, tmp_path)
        users = [np.unique(parts.take(part).column("user").to_numpy().astype(str)) for part in range(6)]
        first = log_of(Table.read(path).only(Table.read(path).column("user").is_in(users[0].tolist())), CONFIG)
        split = plan(first, CONFIG)
        log = read_log(path, CONFIG)
        whole = prepare_more(log, CONFIG, split, prepared.spec)
        visible = np.add.reduceat(log.times <= split.train_until, log.starts) > 0
        kept = log.users[visible]
        for histories, members in zip(further, users[1:], strict=True):
            expected = whole.take(np.flatnonzero(np.isin(kept, members)))
            for part in fields(expected):
                if part.name not in ("names", "fields"):
                    found = getattr(histories, part.name)
                    assert np.array_equal(found, getattr(expected, part.name), equal_nan=part.name != "fresh"), part
        alone = prepare_split(first, CONFIG, split)
        assert prepared.spec == alone.spec
        assert prepared.heads == alone.heads == heads_of(alone.spec, CONFIG, prepared.histories)
        assert np.array_equal(prepared.histories.numbers, alone.histories.numbers)
    assert (totals.rows, totals.events, totals.users) == (6000, 6000, len(log.users))
    assert (totals.first_time, totals.last_time) == (log.times.min(), log.times.max())
    assert [place.name for place in tmp_path.iterdir()] == [name]


def test_nothing_of_the_tests_time_is_looked_at(tmp_path, logged):
    config = msgspec.structs.replace(CONFIG, split="time", cutoff=None, asks=2, targets=(TARGET,))
    cut = plan(log_of(divided(logged, config, tmp_path).take(0), config), config).train_until
    with in_parts(logged, config, tmp_path / "run") as (prepared, _):
        assert len(prepared.further) == 5
        for histories in (each.read() for each in prepared.further):
            assert (histories.split == TRAIN).all()
            assert cut - 2 * DAY < histories.times.max() <= cut
            assert histories.times[histories.labels[:, 0] >= 0].max() + 2 * DAY <= cut
            assert histories.ask_time.max() + 2 * DAY <= cut
            assert (histories.labels[:, 0] == 1).any()


def fitted(prepared, monkeypatch):
    """Trains on the first part and the further ones; returns over how many steps the rate falls, and those taken."""
    falls, taken = [], []
    schedules = tf_keras.optimizers.schedules
    decay = schedules.CosineDecay
    monkeypatch.setattr(schedules, "CosineDecay", lambda rate, steps, **more: falls.append(steps) or decay(rate, 9))
    seeded(1)
    model = build(trunk_of(prepared.spec, prepared.heads, CONFIG.size), asks=True, dropout=0.0)
    training, validation = (prepared.histories.select(split) for split in (TRAIN, VALIDATION))
    fit(
        model,
        training,
        validation,
        prepared.heads,
        CONFIG.fitting,
        16,
        further=prepared.further,
        before_step=taken.append,
    )
    return falls[0], len(taken)


def test_no_more_than_one_part_is_read_at_a_time(tmp_path, logged, monkeypatch):
    """Of those that are prepared and of those that are trained on, beside the first, over all of whose steps the rate
    of learning falls."""
    earlier, read = [], []

    def counted(function):
        def called(*arguments):
            assert not any(each() is not None for each in earlier)
            found = function(*arguments)
            earlier.append(weakref.ref(found))
            read.append(arguments[0])
            return found

        return called

    monkeypatch.setattr(Parts, "take", counted(Parts.take))
    monkeypatch.setattr(Stored, "read", counted(Stored.read))
    with in_parts(logged, CONFIG, tmp_path / "run") as (prepared, _):
        assert len(read) == CONFIG.parts
        steps = fitted(prepared, monkeypatch)
    passes = read[CONFIG.parts :]
    assert passes[:5] == list(prepared.further)  # counted once, and then read in each epoch
    assert [sorted(each.path for each in passes[at : at + 5]) for at in (5, 10)] == [
        [each.path for each in prepared.further]
    ] * 2
    assert passes[5:10] != passes[10:]
    assert steps[0] == pytest.approx(steps[1], rel=0.25)  # crops move, and a step count is rounded in each part


@pytest.fixture(scope="module")
def trained(tmp_path_factory, logged):
    folder = tmp_path_factory.mktemp("runs")
    return train_log(logged, CONFIG, folder / "run"), folder


def test_a_run_says_what_was_read_and_what_its_figures_are_of(trained, logged):
    run, folder = trained
    assert run.notes[0].startswith("read in 6 parts: 6,000 events of 300 users; figures are of the first part, ")
    assert (run.source.rows, run.source.users) == (6000, 300)
    assert run.config.parts == 6
    assert sum(run.data[f"{name}_users"] for name in ("train", "validation", "test")) > 290
    assert 30 <= len(load_histories(folder / "run")) <= 75
    assert [place.name for place in folder.iterdir()] == ["run"]


def test_a_runs_configuration_repeats_its_parts(trained, logged, tmp_path):
    """And the rest of a training repeats itself as one in memory does."""
    run, folder = trained
    with in_parts(logged, load_run(folder / "run").config, tmp_path / "run") as (prepared, _):
        assert prepared.spec == run.spec
        assert np.array_equal(prepared.histories.times, load_histories(folder / "run").times)
        assert (
            sum(each.users for each in prepared.further)
            == run.data["train_users"] - (prepared.histories.split == TRAIN).sum()
        )


def test_what_was_dropped_is_told_of_all_parts(tmp_path):
    rows = frame()
    rows = pl.concat([rows, rows[::9], rows[:7].with_columns(time=pl.lit(None, pl.Float64))])
    config = msgspec.structs.replace(CONFIG, clean=Cleaning(missing="drop", duplicates="drop"), targets=(TARGET,))
    path = written(tmp_path, "log.csv", rows)
    with in_parts(path, config, tmp_path / "run") as (prepared, totals):
        assert prepared.notes[1:3] == read_log(path, config).dropped.notes
    assert totals.events == 6000
    expected = Dropped(rows=6674, incomplete=7, lacking={"time": 7}, repeats=667)
    assert read_log(path, config).dropped == expected


def user_of(part):
    """A user of that part."""
    seed = CONFIG.fitting.seed
    return next(f"u{k}" for k in range(99) if int(in_question.place_of(f"u{k}", seed, b"part") * CONFIG.parts) == part)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("price", "cheap", "column 'price' must hold numbers as it does elsewhere, received 'cheap'"),
        ("price", "inf", "column 'price' must hold finite numbers, received inf"),
        ("time", "soon", "column 'time' must hold a time in ISO 8601 .* received what is spelled like 'xxxx'"),
        ("event", None, "column 'event' is empty"),
        ("fraud", "maybe", "column 'fraud' must say 1 or 0, received what is spelled like 'xxxxx'"),
    ],
)
def test_a_value_of_a_later_part_is_named_by_its_line(tmp_path, column, value, words):
    rows = frame().with_columns(pl.col("time", "price", "fraud").cast(pl.String))
    place = rows["user"].to_list().index(user_of(4), 700)
    rows[place, column] = value
    path = written(tmp_path, "log.csv", rows)
    breaks = rows["shop"][:place].str.count_matches("\n").sum()
    with (
        pytest.raises(InputError, match=rf"^log\.csv, line {place + 2 + breaks}: {words}"),
        in_parts(path, CONFIG, tmp_path / "run"),
    ):
        pass
    assert [left.name for left in tmp_path.iterdir()] == ["log.csv"]


def test_a_row_of_nobody_is_refused_with_its_line(tmp_path):
    rows = frame(500, 99).with_columns(shop=pl.lit("north"))
    rows[321, "user"] = None
    with (
        pytest.raises(InputError, match=r"^log\.csv, line 323: column 'user' is empty"),
        in_parts(written(tmp_path, "log.csv", rows), CONFIG, tmp_path / "run"),
    ):
        pass


def test_a_field_that_a_part_never_fills_stays_one_of_numbers(tmp_path):
    """And JSON lines may lack a key for long, or write a whole number where others have a fraction."""
    rows = frame(2000, 99)
    empty = rows["user"] == user_of(3)
    kept = rows.filter(empty | (rows["user"] == user_of(0)) | (rows["user"] == user_of(1)))
    kept = pl.concat([kept] * 3).with_columns(price=pl.when(pl.col("user") != user_of(3)).then(2 * pl.col("age")))
    path = tmp_path / "log.jsonl"
    lines = [{name: value for name, value in row.items() if value is not None} for row in kept.to_dicts()]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    parts = divided(path, CONFIG, tmp_path, size=2000)
    tables = [parts.take(part) for part in range(6)]
    assert {table.column("price").dtype for table in tables} == {pl.Float64}
    log = log_of(tables[3], LogConfig(fields=("price",)), numbers=("price",))
    assert np.isnan(log.fields["price"]).all()


class Interrupting:
    """Progress that is interrupted as Ctrl-C would, in a stage."""

    def __init__(self, stage):
        self.stage, self.title = stage, ""

    def start(self, title, total):
        self.title = title
        if title == "training" == self.stage:
            raise KeyboardInterrupt

    def advance(self, note=""):
        if self.title == self.stage:
            raise KeyboardInterrupt

    def finish(self, summary=""):
        pass


@pytest.mark.parametrize("stage", ["dividing", "reading", "training"])
def test_an_interruption_leaves_nothing_behind(tmp_path, logged, stage):
    with pytest.raises(KeyboardInterrupt):
        train_log(logged, CONFIG, tmp_path / "run", Interrupting(stage))
    assert list(tmp_path.iterdir()) == []


def refused(path, out, words):
    with pytest.raises(InputError, match=words), in_parts(path, CONFIG, out):
        pass


def test_a_disk_that_cannot_take_the_parts_is_named_before_they_are_written(tmp_path, logged, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Full())
    refused(logged, tmp_path / "run", rf"log\.csv in parts needs about 3MB of disk .* received 1MB in {tmp_path}: make")
    assert list(tmp_path.iterdir()) == []


class Full:
    free = 1_000_000


def test_columns_of_kinds_that_do_not_go_together_are_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": "a", "tags": [1]}\n' * 50 + '{"user": "b", "tags": 1}\n' * 50)
    with pytest.raises(InputError, match=r"log\.jsonl can't be read as json \(failed to determine supertype"):
        divided(path, CONFIG, tmp_path, size=500)


def test_what_polars_cannot_write_is_told(tmp_path, logged, monkeypatch):
    def fails(*arguments, **options):
        raise OSError("File too large (os error 27)")  # without a number

    monkeypatch.setattr(pl.DataFrame, "write_ipc", fails)
    refused(logged, tmp_path / "run", r"can't be written to .* \(File too large \(os error 27\)\): make room")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["TemporaryDirectory", "write"])
def test_a_folder_that_takes_no_files_is_named(tmp_path, logged, monkeypatch, name):
    def fails(*arguments, **options):
        raise OSError(28, "No space left on device")

    if name == "write":
        monkeypatch.setattr(Stored, "write", fails)
    else:
        monkeypatch.setattr(in_question.tempfile, name, fails)
    refused(logged, tmp_path / "deep" / "run", r"can't be written to .* \(No space left on device\): make room")
    assert list(tmp_path.iterdir()) == []


def test_a_table_in_memory_has_no_parts(tmp_path):
    with pytest.raises(InputError, match="in 6 parts must be a file, received a table in memory"):
        train_log(Table("log.csv", frame(100, 9), 2), CONFIG, tmp_path / "run")


def test_a_log_has_at_least_one_part():
    with pytest.raises(ValueError, match="at least one part, received 0"):
        LogConfig(parts=0)


def test_less_memory_takes_more_parts_and_too_little_is_told(monkeypatch, logged):
    large = msgspec.structs.replace(extent(logged), rows=100_000_000, bytes=5 * 10**9)
    monkeypatch.setattr(in_question, "extent", lambda path: large)
    found = [parts_within(Path("log.csv"), memory * 10**9) for memory in (1000, 64, 16, 4)]
    assert found[0] == 1
    assert found == sorted(found)
    assert found[-1] <= 64
    with pytest.raises(InputError, match=r"^log\.csv needs --memory (\S+) at least, received 1GB") as caught:
        parts_within(Path("log.csv"), 10**9)
    least = bytes_of(str(caught.value).split()[3])
    assert parts_within(Path("log.csv"), least) in (63, 64)
