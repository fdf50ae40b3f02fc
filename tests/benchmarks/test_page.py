import re
from html.parser import HTMLParser

import msgspec
import pytest

from benchmarks import invented
from nearsight_benchmarks.groups import grouped
from nearsight_benchmarks.page import render

VOID = {"meta", "br", "img", "link", "input", "use", "path"}


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open, self.paragraphs, self.captions = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "p":
            self.paragraphs.append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] == "p":
            self.paragraphs[-1] += text


@pytest.fixture(scope="module")
def html():
    return render(invented.results(verdict=("Ship the int8 step graph & run it in LiteRT.", "It <is> quick.")))


@pytest.fixture(scope="module")
def page(html):
    reader = Reader()
    reader.feed(html)
    assert not reader.open
    return reader


def test_the_first_paragraph_says_what_to_ship(page):
    assert page.paragraphs[:2] == ["Ship the int8 step graph & run it in LiteRT.", "It <is> quick."]


def test_the_page_loads_nothing(html, page):
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed", "base", "image"}
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert attributes.get(name, "#").startswith("#")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert not re.findall(r"https?://", html)
    policies = [attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_tables_can_be_read_aloud(page):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") == 9
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert all(
        attributes.get("aria-label") or "aria-hidden" in attributes for tag, attributes in page.tags if tag == "svg"
    )


def test_plots_take_the_pages_colours_and_come_in_two_widths(html, page):
    boxes = [attributes["viewbox"] for tag, attributes in page.tags if tag == "svg" and "aria-label" in attributes]
    assert boxes == ["0 0 1088 560", "0 0 358 430"] * 3
    assert "currentColor" in html
    assert "var(--line)" in html
    assert "prefers-color-scheme: dark" in html


def test_segments_have_a_row_each_and_a_map(html, page):
    section = html.partition("<h2>Market segmentation</h2>")[2].partition("<h2>")[0]
    assert "1 often look &amp; wait</th><td>70.0 %</td><td>68.0 %</td><td>10.0 % (8.0–12.0)</td>" in section
    assert "2 often buy</th><td>30.0 %</td><td>32.0 %</td><td>–</td>" in section
    assert ">every 2 days (all users 6 days)</td>" in section
    assert "40 test users" in section
    assert section.count("<svg") == 2
    assert "Market segmentation" not in render(invented.results(market=None))


def test_steps_stand_beside_the_machines_limit(html):
    section = html.partition("<h2>How far from the machine's limit</h2>")[2].partition("<h2>")[0]
    assert (
        '<tr class="pick"><th scope="row">step int8 · LiteRT</th><td>70,116</td><td>72.3</td><td>43.7</td>' in section
    )
    assert "<td>36</td><td>0.80 µs</td><td>1.0 µs</td><td>0.9 µs</td><td>4.0 µs</td><td>5.0 times</td></tr>" in section
    assert section.count("<li>step int8 · LiteRT takes 4.0 µs, 5.0 times what reading its weights needs at best") == 1
    assert "limit</h2>" not in render(invented.results(costs=()))


def test_the_pick_is_labelled_in_both_plots(html):
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", html)
    assert texts.count("int8 · LiteRT") == 4
    assert {"LightGBM", "BG/NBD"} <= set(texts)


def test_entries_stand_in_their_groups_the_fastest_first(html):
    table = html.partition("<h2>Latency and size</h2>")[2].partition("</table>")[0]
    expected = []
    for title, entries in grouped(invented.ENTRIES):
        expected += [title, *(entry.name for entry in entries)]
    shown = re.findall(r'<th scope="row(?:group" colspan="8)?">([^<]*?)(?: ◆)?</th>', table)
    assert shown == expected


def test_each_contestant_has_its_latency_bytes_and_auc_in_one_row(html):
    table = html.partition("<h2>Latency and size</h2>")[2].partition("</table>")[0]
    row = table.partition('<th scope="row">step quantize_dynamic · ONNX Runtime')[2].partition("</tr>")[0]
    assert re.findall(r">([^<]*)</td>", row)[:3] == ["15.7 µs", "76.9", "0.768"]


def test_every_point_tells_its_figures(page):
    told = {attributes["aria-label"] for tag, attributes in page.tags if tag == "g" and "tabindex" in attributes}
    assert "step int8 · LiteRT: 4.6 µs a call, 81.0 kB, AUC 0.768 (0.761–0.775)" in told
    assert "BG/NBD: 60.0 µs a call, 0.1 kB, AUC 0.763 (0.756–0.770)" in told


def test_what_the_passes_did_is_told_tensor_by_tensor(html):
    section = html.partition("<h2>What each pass did, layer by layer</h2>")[2].partition("<h2>")[0]
    assert "1 magnitude pruning" in section
    assert "half of it is &lt;zero&gt;. 1,200 steps" in section
    cells = section.partition('<th scope="row">conv_kernel</th>')[2].partition("</tr>")[0]
    assert ">4,416</td>" in cells
    assert "--full: 50%" in cells
    assert "50.0 %</td><td>2,209</td>" in cells
    assert "<li>head_kernel: small</li>" in section
    assert "What each pass did" not in render(invented.results(index=None))
    plain = msgspec.structs.replace(invented.INDEX, passes=())
    assert "None was run" in render(invented.results(index=plain))


def test_flipped_decisions_are_told_for_each_artifact_and_answer(html):
    section = html.partition("<h2>Decisions that changed</h2>")[2].partition("<h2>")[0]
    row = section.partition('<th scope="row">int8/step.tflite</th>')[2].partition("</tr>")[0]
    assert re.findall(r">([^<>]+)</td>", row) == [
        "purchase", "1.00 %", "3.0 %", "4,664", "4e-03", "−0.0003", "–", "2e-03",
    ]  # fmt: skip
    assert "--full: 33%" in row
    assert "fp16/step.tflite couldn't be made: signal 11" in section


def test_a_load_average_is_told_where_there_is_one(html):
    assert "load average" not in html
    loaded = msgspec.structs.replace(invented.PROTOCOL, load_average=1.25)
    assert "load average 1.2 when it began" in render(invented.results(protocol=loaded))


def test_every_entry_and_caveat_is_on_the_page(html):
    for entry in invented.ENTRIES:
        assert f'<th scope="row">{entry.name}' in html
    for words in ("Made up.", "Imagined CPU", "nearsight bench runs/demo", "because it can&#39;t share a process"):
        assert words in html
