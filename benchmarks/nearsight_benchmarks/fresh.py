"""Start-up time and peak memory of a fresh process that does one thing and gives its first answer."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from nearsight.errors import InputError

__all__ = ["Start", "measure"]

# What a child says last: when it was ready, on the clock that all processes share, and the most memory it ever held.
# VmHWM belongs to the program since it was started; ru_maxrss would also count the parent that forked it.
_LAST_WORDS = """
import time as _time
_ready = _time.monotonic_ns()
def _peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(f"\\n{_ready} {_peak()}")
"""
# An installed package has its bytecode beside it, so a child may write and read it whatever this process was told.
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}


class Start(msgspec.Struct, frozen=True):
    """Medians over some fresh processes: seconds from the spawn to the first answer, and peak megabytes."""

    seconds: float
    megabytes: float
    processes: int


def measure(program: str, arguments: Sequence[str], processes: int, *, is_warm: bool = False) -> Start:
    """Run the Python text `program` with `sys.argv[1:] = arguments` in fresh processes, one after the other.

    Unless its files are in the page cache already (`is_warm`), one more process runs before them, uncounted. Raises
    `InputError` with the program's last words where it fails.
    """
    if not is_warm:
        _run(program, arguments)
    found = [_run(program, arguments) for _ in range(processes)]
    seconds, megabytes = zip(*found, strict=True)
    return Start(statistics.median(seconds), statistics.median(megabytes), processes)


def _run(program: str, arguments: Sequence[str]) -> tuple[float, float]:
    begin = time.monotonic_ns()
    child = subprocess.run(
        [sys.executable, "-c", program + _LAST_WORDS, *arguments],
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise InputError(f"a fresh process failed with {(child.stderr.strip().splitlines() or ['no word'])[-1]}")
    ready, peak = child.stdout.split()[-2:]
    return (int(ready) - begin) / 1e9, int(peak) / 1e6
