"""The public data sets hold what their papers say, wherever their files come from."""

import csv
import gzip
import io
import os
import re
import struct
import threading
import zipfile
import zlib
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training.config import Inactive, Target
from nearsight_training.datasets import DATASETS, File, bpic2012, cdnow, dataset, eshop2008, online_retail
from nearsight_training.datasets.files import member
from nearsight_training.declaration import read_declaration

DATA = os.environ.get("NEARSIGHT_DATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="NEARSIGHT_DATA isn't set, so there are no files")
ROOM = "nearsight_training.datasets"


@pytest.fixture(scope="module")
def tables(cdnow_table):
    return {"cdnow": cdnow_table, **{load.__name__: load() for load in (eshop2008, online_retail, bpic2012)}}


def unzipped(place: str) -> bytes:
    return gzip.decompress(Path(DATA, place).read_bytes())


def zipped(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("read me.txt", "about the data")
        file.writestr(name, content)
    return archive.getvalue()


def test_cdnow_is_the_papers(cdnow_table, cdnow_prepared):
    """Fader & Hardie: 23,570 customers, 69,659 transactions; of these customers 29.9 % buy again after week 39."""
    frame = cdnow_table.frame
    assert frame["user"].n_unique() == 23_570
    assert frame["cds"].sum() == 167_881
    assert len(frame) == frame.select("user", "time").n_unique() == 67_591
    assert cdnow_table.notes == ("a customer's purchases of one day are one: 69,659 became 67,591",)
    asked = cdnow_prepared.histories.ask_time == 875_577_600
    labels = cdnow_prepared.histories.ask_labels[asked, 0]
    assert len(labels) == 23_570
    assert labels.mean() == pytest.approx(0.299, abs=0.0005)


def test_cdnow_comes_from_the_package_where_no_folder_is_set(monkeypatch, cdnow_table):
    monkeypatch.delenv("NEARSIGHT_DATA", raising=False)
    assert cdnow().frame.equals(cdnow_table.frame)


@needs_data
def test_bpic2012_is_the_challenges(tables):
    """24 activities; 17.2 % of the applications are granted and 21.4 % abandoned, each written once."""
    frame = tables["bpic2012"].frame
    assert (len(frame), frame["user"].n_unique(), frame["event"].n_unique()) == (262_200, 13_087, 24)
    activities = Counter(frame["event"].to_list())
    assert activities["A_SUBMITTED"] == 13_087
    assert activities["A_APPROVED"] / 13_087 == pytest.approx(0.172, abs=0.0005)
    assert activities["A_CANCELLED"] / 13_087 == pytest.approx(0.214, abs=0.0005)


@needs_data
def test_bpic2012_has_the_logs_first_application(tables):
    log = unzipped("bpic2012/bpic2012.xes.gz").decode()
    trace = log[log.index("<trace>") : log.index("</trace>")]
    expected = [
        (datetime.fromisoformat(re.search(r'time:timestamp" value="([^"]+)"', event)[1]).timestamp(), name)
        for event in trace.split("<event>")[1:]
        for name in re.findall(r'concept:name" value="([^"]+)"', event)
    ]
    user = re.search(r'concept:name" value="(\d+)"', trace)[1]
    amount = float(re.search(r'AMOUNT_REQ" value="(\d+)"', trace)[1])
    found = tables["bpic2012"].frame.filter(user=user)
    assert list(zip(found["time"], found["event"], strict=True)) == expected
    assert set(found["amount"]) == {amount}


@needs_data
def test_eshop2008_is_the_files_clicks_in_order(tables):
    """The products of each session in the order of its clicks, and times that are the date and one second a click."""
    rows = list(csv.reader(io.StringIO(unzipped("eshop2008/e-shop clothing 2008.csv.gz").decode()), delimiter=";"))[1:]
    clicks = defaultdict(list)
    for year, month, day, order, country, session, *rest in rows:
        time = datetime(int(year), int(month), int(day)) + timedelta(seconds=int(order))
        clicks[session].append((time, rest[1], int(rest[0]), int(rest[5]), int(country)))
    found = defaultdict(list)
    for user, *click in (
        tables["eshop2008"].frame.select("user", "time", "event", "category", "price", "country").rows()
    ):
        found[user].append(tuple(click))
    assert found == clicks
    assert (len(rows), len(found), len({row[7] for row in rows})) == (165_474, 24_026, 217)
    assert all(times == sorted(set(times)) for times in ([time for time, *_ in each] for each in found.values()))


@needs_data
def test_eshop2008_knows_each_products_category(tables):
    """A model's letter is its category: A trousers, B skirts, C blouses, P sale; but for one click, left as it is."""
    pairs = Counter(tables["eshop2008"].frame.select(pl.col("event").str.slice(0, 1), "category").rows())
    assert pairs.pop(("A", 2)) == 1
    assert set(pairs) == {("A", 1), ("B", 2), ("C", 3), ("P", 4)}


@needs_data
def test_online_retail_is_ucis(tables):
    """Figures that the literature has for lines with a customer: 22,190 invoices, 16.5 % of them cancellations,
    4,372 customers in 37 countries, 8,911,407.904 pounds of purchases and 8,300,065.814 after cancellations.
    """
    frame, notes = tables["online_retail"].frame, tables["online_retail"].notes
    sums = {event: (count, pounds) for event, count, pounds in frame.group_by("event").agg(
        pl.len(), pl.col("pounds").sum().round(3)).rows()}  # fmt: skip
    assert sums["purchase"] == (18_536, 8_911_407.904)
    assert sums["cancellation"][0] / len(frame) == pytest.approx(0.165, abs=0.0005)
    assert frame["pounds"].sum() == pytest.approx(8_300_065.814, abs=1e-6)
    assert (len(frame), frame["user"].n_unique(), frame["country"].n_unique()) == (22_190, 4_372, 37)
    assert frame["lines"].sum() == 541_909 - 135_080
    assert notes[0] == "135,080 of 541,909 lines (24.9 %) name no customer and were left out"


@needs_data
def test_online_retail_has_its_first_invoice(tables):
    """No. 536365, whose seven lines are written out here as quantity times price."""
    first = tables["online_retail"].frame.row(0, named=True)
    amounts = [6 * 2.55, 6 * 3.39, 8 * 2.75, 6 * 3.39, 6 * 3.39, 2 * 7.65, 6 * 4.25]
    assert first.pop("pounds") == pytest.approx(sum(amounts))
    assert first == {
        "user": "17850",
        "time": datetime(2010, 12, 1, 8, 26),
        "event": "purchase",
        "items": 40,
        "lines": 7,
        "country": "United Kingdom",
    }


@needs_data
def test_online_retail_loses_four_in_ten(tables):
    """Of 3,370 customers who had bought 90 days before the end, 43.0 % don't buy in these days."""
    bought = tables["online_retail"].frame.filter(event="purchase")
    since = bought["time"] > datetime(2011, 12, 9, 12, 50) - timedelta(days=90)
    before, after = (set(bought.filter(part)["user"]) for part in (~since, since))
    assert len(before) == 3_370
    assert len(before - after) / len(before) == pytest.approx(0.430, abs=0.0005)


@needs_data
@pytest.mark.parametrize("found", DATASETS, ids=lambda found: found.name)
def test_the_catalogue_says_what_the_tables_hold(found, tables):
    frame = tables[found.name].frame
    assert (len(frame), frame["user"].n_unique()) == (found.events, found.users)
    ends = frame["time"].min(), frame["time"].max()
    if found.name == "bpic2012":  # the source's clock is that of the Netherlands
        ends = [datetime.fromtimestamp(end, UTC) + timedelta(hours=2) for end in ends]
    assert [f"{end:%Y-%m-%d}" for end in ends] == [found.first, found.last]
    assert found.here() == "NEARSIGHT_DATA"


@needs_data
@pytest.mark.parametrize("found", DATASETS, ids=lambda found: found.name)
def test_the_questions_name_events_and_columns_that_are_there(found, tables, tmp_path):
    (tmp_path / "questions.toml").write_text(found.questions)
    config = read_declaration(tmp_path / "questions.toml").config()
    frame = tables[found.name].frame
    assert config.targets
    assert all(isinstance(target, Target | Inactive) and target.within_seconds > 0 for target in config.targets)
    assert {event for target in config.targets for event in target.events} <= set(frame["event"])
    assert {config.user, config.time, config.event, *config.categories} <= set(frame.columns)


def test_a_misspelt_name_suggests_the_nearest():
    with pytest.raises(InputError, match="received 'online-retail': did you mean 'online_retail'"):
        dataset("online-retail")


# Where files come from


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no folder."""
    monkeypatch.delenv("NEARSIGHT_DATA", raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "nearsight"


@pytest.fixture
def serve():
    """Serves what `serve(path, content)` is told to on loopback, and returns its address."""
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in pages else 404)
            self.end_headers()
            self.wfile.write(pages.get(self.path, b"nothing"))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()

    def told(path: str, content: bytes | None = None) -> str:
        if content is not None:
            pages[path] = content
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield told
    server.shutdown()
    server.server_close()


def a_file(url: str, content: bytes = b"a,b\n1,2\n", **changes) -> File:
    given = {"place": "set/a.csv.gz", "url": url, "cached": "a.csv", "sha256": sha256(content).hexdigest()}
    return File(**{**given, **changes})


def test_a_file_is_fetched_once(cache, serve, monkeypatch, capfd):
    file = a_file(serve("/a.csv", b"a,b\n1,2\n"))
    assert file.content() == b"a,b\n1,2\n"
    assert replace(file, url="http://127.0.0.1:1/gone").content() == b"a,b\n1,2\n"
    assert [path.name for path in cache.iterdir()] == ["a.csv"]
    assert capfd.readouterr() == ("", "")


def test_what_was_changed_in_the_cache_is_fetched_again(cache, serve):
    file = a_file(serve("/a.csv", b"a,b\n1,2\n"))
    file.content()
    file.in_cache().write_bytes(b"a,b\n9,9\n")
    assert file.content() == b"a,b\n1,2\n"


def test_the_folder_comes_first_and_is_unzipped(cache, monkeypatch, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.csv.gz").write_bytes(gzip.compress(b"mine"))
    monkeypatch.setenv("NEARSIGHT_DATA", str(tmp_path))
    assert a_file("http://127.0.0.1:1/a.csv").content() == b"mine"


def refused(file: File, cache: Path) -> str:
    with pytest.raises(InputError) as error:
        file.content()
    assert list(cache.glob("*")) == []
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("set NEARSIGHT_DATA to a folder that holds set/a.csv.gz")
    return str(error.value)


def test_another_content_is_refused(cache, serve):
    url = serve("/a.csv", b"a,b\n1,3\n")
    expected = sha256(b"a,b\n1,2\n").hexdigest()
    assert f"{url} isn't what it was: data with the SHA-256 {expected} were expected" in refused(a_file(url), cache)


@pytest.mark.parametrize("content", [b"<html>", zipped("b.csv", b"a,b\n1,2\n")])
def test_an_archive_without_the_file_is_refused(content, cache, serve):
    file = a_file(serve("/a.zip", content), kept=partial(member, name="a.csv"))
    assert "a zip archive with a.csv was expected" in refused(file, cache)


def test_a_missing_server_or_page_is_named(cache, serve):
    assert "http://127.0.0.1:1/a can't be fetched (ConnectionError)" in refused(a_file("http://127.0.0.1:1/a"), cache)
    assert "can't be fetched (HTTP status 404)" in refused(a_file(serve("/b")), cache)


def published(name: str) -> bytes:
    """A set's file as its public source packs it, made from the copy in the folder."""
    if name == "cdnow":  # the source's file has no header
        return zipped("CDNOW_master.txt", unzipped("cdnow/CDNOW_master.txt.gz").partition(b"\n")[2])
    if name == "eshop2008":  # UCI's file calls the fourth column "order", and ends its lines as Windows does
        content = unzipped("eshop2008/e-shop clothing 2008.csv.gz").replace(b"order(sells)", b"order")
        return zipped("e-shop clothing 2008.csv", content.replace(b"\n", b"\r\n"))
    if name == "online_retail":  # UCI's CSV writes a time as 12/1/2010 8:26
        time = pl.col("InvoiceDate")
        parts = (time.dt.month(), time.dt.day(), time.dt.year(), time.dt.hour(), time.dt.strftime("%M"))
        written = pl.format("{}/{}/{} {}:{}", *parts).alias("InvoiceDate")
        table = pl.read_parquet(Path(DATA, "online_retail/retail_session.parquet.snappy"))
        return table.with_columns(written).write_csv().encode()
    log = unzipped("bpic2012/bpic2012.xes.gz")  # deflated as Java does by default, without a name or a time
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    ends = struct.pack("<II", zlib.crc32(log), len(log))
    return b"\x1f\x8b\x08" + bytes(7) + packer.compress(log) + packer.flush() + ends


@needs_data
@pytest.mark.parametrize(
    ("name", "constant"),
    [("cdnow", "purchases.CDNOW"), ("eshop2008", "clicks.ESHOP2008"), ("online_retail", "invoices.ONLINE_RETAIL")],
)
def test_the_public_file_makes_the_same_table(name, constant, cache, serve, monkeypatch, tables):
    file = replace(dataset(name).file, url=serve("/public", published(name)))
    monkeypatch.setattr(f"{ROOM}.{constant}", file)
    monkeypatch.setattr(f"{ROOM}.purchases.packaged", lambda: None)
    assert dataset(name).load().frame.equals(tables[name].frame)
    assert file.in_cache()


@needs_data
def test_bpic2012s_public_file_is_accepted(cache, serve):
    file = replace(dataset("bpic2012").file, url=serve("/public", published("bpic2012")))
    assert file.content() == unzipped("bpic2012/bpic2012.xes.gz")
