"""Reading logs: every way in gives the same log, and bad input gives one sentence that names the place."""

import gzip
import json

import msgspec
import numpy as np
import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training.columns import Table, moment, spoken
from nearsight_training.config import LogConfig
from nearsight_training.log import read_log

GOOD = """user,time,event,price,shop,vip
b,2024-01-01T00:00:10Z,look,,north,true
a,2024-01-02,buy,3.5,south,false
b,2024-01-01 02:00:05+02:00,buy,1e2,north,true
"""


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_log_is_sorted_by_user_and_time_with_its_fields(tmp_path):
    log = read_log(written(tmp_path, GOOD), LogConfig())
    assert log.users.tolist() == ["a", "b"]
    assert log.starts.tolist() == [0, 1]
    assert log.names.tolist() == ["buy", "buy", "look"]
    assert log.times.tolist() == [1704153600.0, 1704067205.0, 1704067210.0]
    assert log.fields["price"].tolist() == pytest.approx([3.5, 100.0, np.nan], nan_ok=True)
    assert log.fields["shop"].tolist() == ["south", "north", "north"]
    assert log.fields["vip"].tolist() == ["false", "true", "true"]


def test_every_format_gives_the_same_log(tmp_path):
    rows = [
        {"user": "b", "time": 20.5, "event": "look", "price": None},
        {"user": "a", "time": 30.0, "event": "buy", "price": 2.5},
        {"user": "b", "time": 10.0, "event": "buy", "price": 1.0},
    ]
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "log.parquet")
    frame.write_csv(tmp_path / "log.csv")
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress((tmp_path / "log.csv").read_bytes()))
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    logs = [read_log(tmp_path / name, LogConfig()) for name in ("log.csv", "log.csv.gz", "log.jsonl", "log.parquet")]
    for log in logs:
        assert log.names.tolist() == ["buy", "buy", "look"]
        assert log.times.tolist() == [30.0, 10.0, 20.5]
        assert log.fields["price"].tolist() == pytest.approx([2.5, 1.0, np.nan], nan_ok=True)


def test_users_that_a_missing_one_turned_into_floats_keep_their_names(tmp_path):
    """As pandas writes a column of whole numbers with a gap."""
    frame = pl.DataFrame({"user": [17850.0, 13047.0, 17850.0], "time": [1.0, 2.0, 3.0], "shop": [4.0, None, 7.0]})
    frame.write_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", LogConfig(event=None, categories=("shop",)))
    assert log.users.tolist() == ["13047", "17850"]
    assert log.fields["shop"].tolist() == ["", "4", "7"]


@pytest.mark.parametrize("value", [0.5, float("inf"), 1e300])
def test_floats_that_are_no_names_are_refused(tmp_path, value):
    pl.DataFrame({"user": [1.0, value], "time": [1.0, 2.0]}).write_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="must hold names or whole numbers, received Float64: cast it"):
        read_log(tmp_path / "log.parquet", LogConfig(event=None))


def test_equal_times_keep_the_files_order(tmp_path):
    lines = ["user,time,event", *[f"u,5,e{number:02}" for number in (7, 3, 9, 1)]]
    assert read_log(written(tmp_path, "\n".join(lines)), LogConfig()).names.tolist() == ["e07", "e03", "e09", "e01"]


def test_dates_of_a_parquet_file_are_seconds(tmp_path):
    frame = pl.DataFrame({"user": ["u"], "time": [1_000_000], "event": ["e"]})
    for kind in (pl.Datetime("ms"), pl.Datetime("us", "Europe/Paris")):
        frame.with_columns((pl.col("time") * (1000 if kind.time_unit == "ms" else 1_000_000)).cast(kind)).write_parquet(
            tmp_path / "log.parquet"
        )
        assert read_log(tmp_path / "log.parquet", LogConfig()).times.tolist() == [1_000_000.0]


def test_a_log_without_an_event_column_has_one_kind_of_event(tmp_path):
    path = written(tmp_path, "user,time\nu,1\nu,2\n")
    log = read_log(path, LogConfig(event=None, every="visit"))
    assert log.names.tolist() == ["visit", "visit"]


def test_numbers_can_be_told_to_be_names(tmp_path):
    path = written(tmp_path, "user,time,event,product\nu,1,look,17\nu,2,look,\n")
    assert read_log(path, LogConfig(categories=("product",))).fields["product"].tolist() == ["17", ""]
    assert read_log(path, LogConfig()).fields["product"].tolist() == pytest.approx([17.0, np.nan], nan_ok=True)


def test_columns_that_are_neither_numbers_nor_names_are_left_out_and_reported(tmp_path):
    frame = pl.DataFrame({"user": ["u"], "time": [1.0], "event": ["e"], "tags": [["x"]]})
    frame.write_parquet(tmp_path / "log.parquet")
    log = read_log(tmp_path / "log.parquet", LogConfig())
    assert log.fields == {}
    assert "tags: left out" in log.notes[0]
    with pytest.raises(InputError, match="'tags' holds neither"):
        read_log(tmp_path / "log.parquet", LogConfig(fields=("tags",)))


def test_a_few_stray_values_among_numbers_are_reported(tmp_path):
    rows = [f"u,{k},e,{k}.5,{'x' if k % 4 else k}" for k in range(9)]
    path = written(tmp_path, "\n".join(["user,time,event,price,size", *rows, "u,9,e,n/a,3"]))
    log = read_log(path, LogConfig())
    assert log.fields["price"][-1] == "n/a"
    assert log.notes == ("price: taken for names, since not all of its values are numbers, as in log.csv, line 11",)
    assert read_log(path, LogConfig(categories=("price",))).notes == ()


def test_long_texts_are_no_names(tmp_path):
    """Every row of a NumPy array of strings is as long as the longest: one essay would fill the memory."""
    path = written(tmp_path, "user,time,event,note\n" + "u,1,e,short\n" * 9 + f"u,1,e,{'x' * 201}\n")
    log = read_log(path, LogConfig())
    assert log.fields == {}
    assert log.notes == ("note: left out, it holds texts of more than 200 characters",)
    with pytest.raises(InputError, match="'note' holds texts of more than 200 characters"):
        read_log(path, LogConfig(fields=("note",)))
    with pytest.raises(InputError, match="'note' holds texts of more than 200 characters: events need names"):
        read_log(path, LogConfig(event="note", fields=()))


HEADER = "user,time,event,price\n"
BAD = [
    ("", "empty", {}),
    (HEADER, "holds no events", {}),
    ("user,time,evnt\nu,1,e\n", "no column 'event': did you mean --event 'evnt'", {}),
    ("who,when,event\nu,1,e\n", "no column 'user': pass --user with one of who, when, event", {}),
    ("user,when,event\nu,1,e\n", "no column 'time': pass --time with one of user, when, event", {}),
    (HEADER + "u,1,e,2\n", "no column 'sum': it has user, time, event, price", {"fields": ("sum",)}),
    (HEADER + "u,1,e,2\n", "no column 'prise': did you mean 'price'", {"fields": ("prise",)}),
    ("user,time,event,user\nu,1,e,2\n", "more than one column 'user'", {}),
    (HEADER + "u,1,e,2\nu,yesterday,e,3\n", r"line 3: column 'time' must hold a time.*'xxxxxxxxx'", {}),
    (HEADER + "u,2024-01-01,e,2\nu,,e,3\n", "line 3: column 'time' .*nothing", {}),
    (HEADER + "u,2024-02-30,e,2\n", "line 2: column 'time' .*'9999-99-99'", {}),
    (HEADER + "u,inf,e,2\n", "line 2: column 'time' .*'xxx'", {}),
    (HEADER + 'u,1,"e\ne",2\nu,soon,e,2\n', "line 4: column 'time'", {}),
    (HEADER + "u,1700000000,e,2\nu,1700000000123,e,2\n", "line 3: .*divide milliseconds by 1000", {}),
    (HEADER + "u,20240131,e,2\nu,20240201,e,2\n", "dates like YYYYMMDD", {}),
    (HEADER + "u,1,e,2\nu,2,e,nan\n", "line 3: column 'price' must hold finite numbers, received nan", {}),
    (HEADER + "u,1,e,-inf\n", "line 2: column 'price' must hold finite numbers, received -inf", {}),
    (HEADER + "u,1,e,2\n,2,e,2\n", "line 3: column 'user' is empty", {}),
    (HEADER + "u,1,e,2\nu,2,,2\n", "line 3: column 'event' is empty", {}),
    ("user;time;event\nu;1;e\n", "'user': its columns are separated by ';', separate them by commas", {}),
    ("user\ttime\tevent\nu\t1\te\n", "separated by '\\\\t'", {}),
    (HEADER + "u,1,e,2,9,9\n", "can't be read as csv", {}),
    ('{"user": 1}\n', "holds JSON", {}),
    ("user,when,event,time\nu,1,e,2\n", "can't be called 'time'", {"time": "when"}),
    ("user,time,event\nu,1,e\n", "must be different columns", {"event": "user"}),
]


@pytest.mark.parametrize(("text", "words", "changes"), BAD)
def test_bad_input_is_refused_with_its_place(tmp_path, text, words, changes):
    with pytest.raises(InputError, match=words) as caught:
        read_log(written(tmp_path, text), msgspec.structs.replace(LogConfig(), **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("log.txt", b"x", "must end in"),
        ("log.parquet", b"user,time\n", "not parquet"),
        ("log.csv", b"PAR1xxxx", "holds Parquet"),
        ("log.csv", b"PK\x03\x04xxxx", "a zip archive"),
        ("log.csv", b"\x1f\x8bxxxx", "gzip data"),
        ("log.csv.gz", b"user,time\n", "isn't whole gzip data"),
        ("log.csv.gz", gzip.compress(b"user,time,event\nu,1,e\n", mtime=0)[:-9], "isn't whole gzip data"),
        ("log.csv", b"us\0er,time\n", "binary data"),
        ("log.csv", b"user,time,event\nu,1,\xff\xfe\n", "can't be read as csv .*save it as UTF-8"),
        ("log.csv", "user,time,event\nu,1,e\n".encode("utf-16"), "UTF-16: save it as UTF-8"),
        ("log.csv", b"user,time,event\ru,1,e\r", "carriage returns alone"),
        ("log.jsonl", b"user,time,event\nu,1,e\n", "line 1 must be a JSON object, received what isn't JSON"),
        ("log.jsonl", b'{"user": 1}\n\n{"user": \n{"user": 2}\n', "log.jsonl, line 3 must be .* what isn't JSON"),
        ("log.jsonl", b'{"user": 1}\n{"user": NaN}\n', "line 2 must be .* what isn't JSON"),
        ("log.jsonl", b'{"user": 1}\n{"user": "\xff"}\n', "line 2 must be .* what isn't JSON"),
        ("log.jsonl", b'{"user": 1}\n[1]\n', r"line 2 must be .* JSON of another kind \(list\)"),
        ("log.jsonl", b'{"user": 1}\n{"user": {"id": 1}}\n', "can't be read as json"),
        ("log.parquet", b"PAR1 and then nothing", "can't be read as parquet"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        Table.read(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        Table.read(tmp_path / "nowhere.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        Table.read(tmp_path / "folder.csv")


def test_moments():
    assert moment("1970-01-02") == 86400.0 == moment("86400") == moment(86400)
    assert moment("1970-01-01T01:00:00+01:00") == 0.0
    for strange in ("nan", "inf", "1.77e12", "soon"):
        with pytest.raises(InputError, match=f"in the years 1 to 9999, received '{strange}'"):
            moment(strange)


@pytest.mark.parametrize(
    "written", ["1997-09-30", "1997-09-30 12:00:01", "1970-01-01", "0001-01-01", "9999-12-31 23:59:59"]
)
def test_a_moment_is_spoken_as_it_is_written(written):
    assert spoken(moment(written)) == written
