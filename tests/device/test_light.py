"""What the device package loads: itself, numpy and msgspec; a runtime only when a bundle is loaded with it."""

import ast
import json
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

import nearsight
from device.conftest import DISTRIBUTIONS, INSTALLED

HEAVY = {"tensorflow", "tf_keras", "keras", "pandas", "polars", "typer", "rich", "sklearn", "scipy", "matplotlib"}
TELL = "; import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"


def loaded_by(code: str, *arguments: object) -> set[str]:
    """The packages that `code` loads in a fresh process beyond numpy, msgspec and the standard library."""
    names = []
    for run in ("import msgspec, numpy", code):
        command = [sys.executable, "-B", "-c", run + TELL, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        names.append({name for name in json.loads(done.stdout) if name not in sys.stdlib_module_names})
    return names[1] - names[0] - {"typing_extensions"}  # msgspec takes it where it happens to be installed


def test_import_loads_numpy_and_msgspec_alone() -> None:
    assert loaded_by("import nearsight") == {"nearsight"}


def test_a_scripted_model_needs_no_runtime() -> None:
    code = "from nearsight.testing import scripted; scripted([{'a': 0.5}]).session().observe('x', time=0.0)"
    assert loaded_by(code) == {"nearsight"}


@pytest.mark.parametrize("runtime", INSTALLED)
def test_loading_a_bundle_loads_its_runtime_and_no_other(runtime: str, bundle: Path) -> None:
    code = "import sys, nearsight; nearsight.load(sys.argv[1], runtime=sys.argv[2])"
    loaded = loaded_by(code, bundle, runtime)
    assert loaded & set(DISTRIBUTIONS.values()) == {DISTRIBUTIONS[runtime]} - {"numpy"}
    assert not loaded & HEAVY


NETWORK = {"asyncio", "ftplib", "http", "requests", "smtplib", "socket", "ssl", "tuf", "urllib", "urllib3", "xmlrpc"}


def test_the_channel_alone_may_reach_the_network() -> None:
    package = Path(nearsight.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found |= {path.name for name in names if name.split(".")[0] in NETWORK}
    assert found == {"channel.py"}


@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="this is the full environment")
def test_the_device_environment_holds_nothing_heavy() -> None:
    assert not [name for name in HEAVY if find_spec(name)]
    required = [need for need in metadata.requires("nearsight") or () if "extra ==" not in need]
    assert sorted(need.split(">")[0] for need in required) == ["msgspec", "numpy"]
