"""The report in a real browser, as people open it: from a file, on a desk and on a phone."""

from pathlib import Path

import pytest

from benchmarks import browser, invented
from nearsight_benchmarks.page import render

pytestmark = pytest.mark.skipif(
    browser.found() is None, reason=f"none of {', '.join(browser.NAMES)} is on the PATH: apt-get install chromium"
)
SHOTS = Path(__file__).parents[2] / "build" / "report"
WIDE, PHONE = (1200, 900), (390, 844)
FAULTS = '<img src="http://192.0.2.1/a.png"><p style="width: 500px">wide</p><script>console.error("planted")</script>'
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"
TIP = "document.querySelector('.tip').textContent"
VISIBLE = "[...document.querySelectorAll('svg.plot')].find(plot => plot.getBoundingClientRect().width)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def page(folder):
    with browser.opened(folder) as page:
        yield page


@pytest.fixture(scope="module")
def report(folder):
    path = folder / "report.html"
    path.write_text(render(invented.results()))
    return path


def test_a_page_with_faults_is_seen_through(folder):
    """What the other tests rest on: a request, an error and a width beyond the screen are noticed."""
    path = folder / "planted.html"
    path.write_text('<!doctype html><meta name="viewport" content="width=device-width">' + FAULTS)
    (folder / "planted").mkdir()
    with browser.opened(folder / "planted") as page:
        page.open(path, *PHONE)
        assert page.value("document.documentElement.scrollWidth") > 390
        assert any("planted" in str(each) for each in page.complaints)
        assert "http://192.0.2.1/a.png" in page.requests
    assert browser.asked(folder / "planted") == ["http://192.0.2.1/a.png"]


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_nothing_is_wider_than_the_screen(page, report, size, is_dark):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.open(report, *size, is_dark=is_dark)
    shot = SHOTS / f"{size[0]}{'-dark' if is_dark else ''}.png"
    page.screenshot(shot)
    assert shot.read_bytes().startswith(b"\x89PNG")
    needed, there = page.value(WIDTHS)
    assert needed <= there == size[0]


@pytest.mark.parametrize(("across", "down"), [(0, 0), (-8, 4)])
def test_a_tap_on_a_point_or_beside_it_tells_its_figures(page, report, across, down):
    page.open(report, *PHONE)
    page.value(f"{VISIBLE}.scrollIntoView({{block: 'center'}})")
    dot = f"{VISIBLE}.querySelector('.dot:has(circle)')"
    x, y = page.value(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({dot}.getBoundingClientRect())")
    assert page.value(TIP) == ""
    page.tap(x + across, y + down)
    assert page.value(TIP).startswith("step int8 · LiteRT")
    assert "4.6 µs a call, 81.0 kB, AUC 0.768 (0.761–0.775)" in page.value(TIP)
    left, right = page.value("(box => [box.left, box.right])(document.querySelector('.tip').getBoundingClientRect())")
    assert 0 <= left < right <= PHONE[0]


def test_points_are_reached_by_tab_and_left_by_escape(page, report):
    page.open(report, *WIDE)
    page.press("Tab")
    assert page.value(TIP).startswith("observe · LiteRT, event 100,000")
    page.press("Tab")
    assert page.value(TIP).startswith("observe · ONNX Runtime, event 100,000")
    page.press("Escape")
    assert page.value(TIP) == ""


def test_a_column_sorts_within_its_groups(page, report):
    page.open(report, *WIDE)
    column = (
        "[...document.querySelectorAll('table.sorted tbody')].find(body => body.textContent.includes('Windows')).rows"
    )
    times = f"[...{column}].slice(1).map(row => row.cells[1].textContent)"
    before = page.value(times)
    button = "document.querySelectorAll('table.sorted')[0].tHead.rows[0].cells[1].querySelector('button')"
    page.value(f"{button}.click()")
    assert page.value(times) == before  # the fastest first already, microseconds before milliseconds
    page.value(f"{button}.click()")
    assert page.value(times) == before[::-1]
    assert page.value(f"{button}.parentNode.ariaSort") == "descending"
    assert page.value(f"{column}[0].className") == "group"


def test_without_scripts_every_figure_is_there(page, report):
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(report, *WIDE)
        titles = page.value("[...document.querySelectorAll('.dot title')].map(title => title.textContent)")
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert any(title.startswith("step int8 · LiteRT: 4.6 µs") for title in titles)


def test_it_complains_of_nothing_and_asks_for_nothing(page, report, folder):
    """The last one, as the browser writes its log of the network when it ends."""
    assert page.complaints == []
    assert set(page.requests) == {report.as_uri()}
    page.close()
    assert browser.asked(folder) == []
