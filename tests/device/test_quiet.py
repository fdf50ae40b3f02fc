"""The device package opens no socket and writes no file: not in Python, and not in a runtime's native code either."""

import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device.cage import DEADLY, POSSIBLE, X32
from device.conftest import INSTALLED
from nearsight.bundle import signed

CAGE = Path(__file__).with_name("cage.py")
USE = """
import sys
import nearsight
from nearsight import report
insight = nearsight.load(sys.argv[2], runtime=sys.argv[3])
session = insight.session()
for turn in range(5):
    reading = session.observe("view", time=1_700_000_000.0 + turn, price=3.0)
session = insight.session(session.snapshot())
later = session.score(time=1_700_090_000.0)
many = insight.score_many([[("view", 1.0), ("cart", 2.0, {"price": 1.0})], [("purchase", 5.0)]])
sent = report.answer(report.YesNo("buys", epsilon=1.0), later[next(iter(later))], report.Budget(1.0))
print(len(reading), len(later), len(many["purchase"]), len(report.Report.decoded(sent.encoded()).question))
"""
WATCHED = """
import os, sys
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
           "shutil.", "tempfile.", "subprocess.", "os.system", "os.posix_spawn", "os.exec", "os.fork")
def watch(event, arguments):
    if event.startswith("socket.") or event.startswith(CHANGES) or event == "open" and arguments[2] & WRITING:
        os.write(2, f"{event} {arguments}".encode())
        os._exit(7)
sys.addaudithook(watch)
"""
STORE = """
import os, sys
folder = sys.argv[2]
def watch(event, arguments):
    outside = event in ("open", "sqlite3.connect") and not str(arguments[0]).startswith(folder)
    reads = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event.startswith("socket.") or outside and not reads:
        os.write(2, f"{event} {arguments}".encode())
        os._exit(7)
import nearsight
insight = nearsight.load(sys.argv[1])
sys.addaudithook(watch)
with nearsight.open(insight, sys.argv[3], key=bytes(32)) as store:
    store.consent("u1", "insight")
    store.observe("u1", "view", time=1_700_000_000.0, price=3.0)
    print(len(store.score("u1", 1_700_090_000.0)), store.erase_user("u1"))
"""


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", *map(str, command)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("runtime", INSTALLED)
def test_python_opens_no_socket_and_writes_no_file(runtime: str, bundle: Path) -> None:
    done = run("-c", WATCHED + USE, "unused", bundle, runtime)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 2 2 4\n"


@pytest.mark.parametrize(
    "fault", ["import socket; socket.socket()", "open('left', 'w')", "open('left', 'a')", "import os; os.mkdir('left')"]
)
def test_the_watch_sees_a_planted_fault(fault: str, tmp_path: Path) -> None:
    assert run("-c", f"{WATCHED}\nos.chdir({str(tmp_path)!r})\n{fault}").returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_a_store_opens_no_socket_and_writes_into_its_folder_alone(bundle: Path, tmp_path: Path) -> None:
    done = run("-c", STORE, bundle, tmp_path, tmp_path / "state.db")
    assert (done.returncode, done.stdout) == (0, "2 True\n"), done.stderr
    assert run("-c", STORE, bundle, tmp_path / "elsewhere", tmp_path / "state.db").returncode == 7


@pytest.mark.skipif(not POSSIBLE, reason="the filter is for Linux on x86-64 and 64-bit ARM")
@pytest.mark.parametrize("runtime", INSTALLED)
def test_native_code_opens_no_socket_and_writes_no_file(runtime: str, bundle: Path) -> None:
    done = run(CAGE, USE, bundle, runtime)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 2 2 4\n"


@pytest.mark.skipif(not POSSIBLE, reason="the filter is for Linux on x86-64 and 64-bit ARM")
@pytest.mark.parametrize("call", ["socket(2, 1, 0)", "fopen(b'left', b'w')", "open(b'left', 0o101, 0o600)"])
def test_the_cage_kills_native_code_that_does(call: str, tmp_path: Path) -> None:
    code = f"import ctypes, os; os.chdir({str(tmp_path)!r}); ctypes.CDLL(None).{call}"
    assert run(CAGE, code).returncode == -signal.SIGSYS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not POSSIBLE, reason="the filter is for Linux on x86-64 and 64-bit ARM")
@pytest.mark.parametrize("number", [*(DEADLY.get(platform.machine(), ())), X32 + 41])
def test_the_ways_around_the_usual_calls_end_in_the_cage_too(number: int) -> None:
    assert run(CAGE, f"import ctypes; ctypes.CDLL(None).syscall({number}, 2, 1, 0, 0)").returncode == -signal.SIGSYS


@pytest.mark.skipif(not POSSIBLE, reason="the filter is for Linux on x86-64 and 64-bit ARM")
def test_a_thread_and_a_child_are_caged_as_well() -> None:
    thread = "import ctypes, threading; threading.Thread(target=ctypes.CDLL(None).socket, args=(2, 1, 0)).start()"
    assert run(CAGE, thread).returncode == -signal.SIGSYS
    child = "import os\nif os.fork(): print(os.wait()[1])\nelse: import socket; socket.socket()"
    assert run(CAGE, child).stdout == f"{int(signal.SIGSYS)}\n"


@pytest.mark.skipif(not POSSIBLE, reason="the filter is for Linux on x86-64 and 64-bit ARM")
def test_a_signature_is_checked_without_a_socket_or_a_file(bundle: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "signed.nsight").write_bytes(signed(bundle, key.sign))
    (tmp_path / "key.pub.pem").write_bytes(pem)
    use = USE.replace("runtime=sys.argv[3]", "runtime='numpy', public_key=sys.argv[3]")
    done = run(CAGE, use, tmp_path / "signed.nsight", tmp_path / "key.pub.pem")
    assert (done.returncode, done.stdout) == (0, "2 2 2 4\n"), done.stderr
