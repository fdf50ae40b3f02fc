"""The examples, run as a reader would run them, against what the SDK itself answers."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import made_up
import nearsight
from nearsight.bundle import write_bundle

EXAMPLES = Path(__file__).parents[2] / "examples"
EVENTS = [
    {"event": "view", "time": 1_700_000_000.0, "price": 19.9, "device": "phone"},
    {"event": "cart", "time": 1_700_000_060.0, "price": 19.9},
    {"event": "purchase", "time": 1_700_090_000.0},
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "shop.nsight"
    write_bundle(path, made_up.bundle())
    return path


@pytest.fixture(scope="module")
def expected(bundle: Path) -> list[dict[str, float]]:
    session = nearsight.load(bundle).session()
    return [
        dict(session.observe(event["event"], **{k: v for k, v in event.items() if k != "event"})) for event in EVENTS
    ]


def desktop(bundle: Path, folder: Path, user: str, events: list[dict[str, object]]) -> list[str]:
    command = [sys.executable, EXAMPLES / "desktop_app.py", bundle, "--user", user, "--folder", folder]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout.splitlines()


def shares(line: str) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in line.split(";")[0].split(", "))


def test_the_desktop_app_goes_on_where_it_stopped(
    bundle: Path, expected: list[dict[str, float]], tmp_path: Path
) -> None:
    first = desktop(bundle, tmp_path, "ada", EVENTS[:2])
    second = desktop(bundle, tmp_path, "ada", EVENTS[2:])
    assert [shares(line) for line in first + second] == [
        {name: f"{value:.0%}".replace("%", " %") for name, value in reading.items()} for reading in expected
    ]


def test_the_desktop_app_keeps_one_small_file_per_user(bundle: Path, tmp_path: Path) -> None:
    for user in ("ada", "../grace"):
        desktop(bundle, tmp_path / "data", user, EVENTS)
    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        "..%2Fgrace.history",
        "ada.history",
    ]
    assert all(b"purchase" not in path.read_bytes() for path in tmp_path.rglob("*.history"))


def test_the_desktop_app_begins_anew_after_a_new_model(bundle: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.nsight"
    write_bundle(newer, made_up.bundle(seed=1))
    desktop(bundle, tmp_path / "data", "ada", EVENTS)
    assert desktop(newer, tmp_path / "data", "ada", EVENTS) == desktop(newer, tmp_path / "empty", "ada", EVENTS)


@pytest.fixture
def address(bundle: Path) -> Iterator[str]:
    command = [sys.executable, EXAMPLES / "mobile_backend.py", bundle, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as backend:
        yield backend.stdout.readline().split()[-1]
        backend.terminate()


def ask(url: str, method: str, body: object = None) -> dict[str, float]:
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_the_backend_keeps_its_users_apart(address: str, expected: list[dict[str, float]]) -> None:
    readings: dict[str, list[dict[str, float]]] = {"ada": [], "grace": []}
    for event in EVENTS:
        for user, found in readings.items():
            found.append(ask(f"{address}/users/{user}/events", "POST", event))
    assert readings == {"ada": expected, "grace": expected}


def test_the_backend_forgets(address: str, expected: list[dict[str, float]]) -> None:
    ask(f"{address}/users/ada/events", "POST", EVENTS[0])
    assert set(ask(f"{address}/users/ada", "GET")) == set(expected[0])
    ask(f"{address}/users/ada", "DELETE")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(f"{address}/users/ada", "GET")


@pytest.mark.parametrize("body", [{"time": 1.0}, {"event": "view", "time": "noon"}, [1]])
def test_the_backend_answers_a_broken_event_with_a_sentence(address: str, body: object) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        ask(f"{address}/users/ada/events", "POST", body)
    assert json.load(refused.value)["error"]
