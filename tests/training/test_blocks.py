"""A file cut into blocks says what the whole file says, and each row still knows its line."""

import gzip

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight_training.blocks import Extent, blocks, extent
from nearsight_training.columns import Table

FIELD = st.text(st.sampled_from('ab,"\n\r '), max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blocks")


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=12), st.integers(1, 40))
def test_blocks_of_a_csv_are_its_rows_and_lines(folder, rows, size):
    """Breaks and quotes inside of quotes cut nothing."""
    path = folder / "log.csv"
    path.write_bytes("\n".join(["x,y", *(f"{quoted(x)},{quoted(y)}" for x, y in rows), ""]).encode())
    whole = Table.read(path)
    found = list(blocks(path, size))
    assert pl.concat([block.frame for block in found]).equals(whole.frame)
    assert [block.line(row) for block in found for row in range(len(block))] == [
        whole.line(k) for k in range(len(rows))
    ]


def written(folder, name, rows):
    frame, path = pl.DataFrame(rows), folder / name
    {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[path.suffix](path)
    return path


ROWS = {"user": [f"u{k % 7}" for k in range(100)], "price": [float(k) for k in range(100)]}


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "log.parquet"])
@pytest.mark.parametrize("size", [1, 333, 1 << 20])
def test_blocks_of_every_format_are_its_rows_and_lines(tmp_path, name, size):
    path = written(tmp_path, name, ROWS)
    whole, found = Table.read(path), list(blocks(path, size))
    assert pl.concat([block.frame for block in found]).equals(whole.frame)
    assert [block.line(row) for block in found for row in range(len(block))] == [whole.line(k) for k in range(100)]
    assert len(found) == 1 or size < 1 << 20


def test_a_block_is_no_larger_where_it_ends_with_a_row(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 99)
    assert {len(block) for block in blocks(path, 40)} == {9, 10}


@pytest.mark.parametrize("name", ["log.csv", "log.jsonl"])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_blank_lines_are_what_they_are_in_the_whole_file(tmp_path, name, size):
    path = written(tmp_path, name, ROWS)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:40], b"\n" * 60, *lines[40:], b"\n" * 60]))
    assert pl.concat([block.frame for block in blocks(path, size)]).equals(Table.read(path).frame)


def test_a_zipped_file_is_unpacked_block_by_block(tmp_path):
    plain = written(tmp_path, "log.csv", ROWS)
    zipped = tmp_path / "log.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert [block.frame.rows() for block in blocks(zipped, 100)] == [block.frame.rows() for block in blocks(plain, 100)]
    assert extent(zipped) == extent(plain) == Extent(rows=101, columns=2, bytes=plain.stat().st_size)
    zipped.write_bytes(zipped.read_bytes()[:-20])
    with pytest.raises(InputError, match="isn't whole gzip data"):
        list(blocks(zipped, 100))


def test_a_broken_line_far_below_is_named(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": "a"}\n' * 70 + "{broken\n" + '{"user": "b"}\n' * 30)
    with pytest.raises(InputError, match=r"log\.jsonl, line 71 must be a JSON object"):
        list(blocks(path, 200))


def test_what_no_table_could_be_read_from_is_refused_alike(tmp_path):
    for name, content in {
        "empty.csv": b"",
        "twice.csv": b"a,a\n1,2\n",
        "zip.csv": b"PK\x03\x04...",
        "wide.csv": "a,b\n1,2\n".encode("utf-16"),
        "none.parquet": b"nothing",
        "cut.parquet": b"PAR1nothing",
        "log.txt": b"a,b\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as whole:
            Table.read(tmp_path / name)
        with pytest.raises(InputError) as cut:
            list(blocks(tmp_path / name, 3))
        assert str(cut.value).split(" (")[0] == str(whole.value).split(" (")[0]
