"""What a stranger downloads: the source archive, the wheel built from it, and an environment with only that wheel."""

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = {"nearsight", "nearsight_training", "nearsight_export", "nearsight_benchmarks", "nearsight_cli"}


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_names(archives: tuple[Path, Path]) -> list[str]:
    with zipfile.ZipFile(archives[1]) as wheel:
        return wheel.namelist()


def test_the_wheel_holds_the_five_packages_and_nothing_else(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    described = {name for name in tops if name.endswith(".dist-info")}
    assert tops - described == PACKAGES
    assert len(described) == 1


def test_every_package_says_that_it_is_typed(wheel_names: list[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel_names)


def test_the_wheel_holds_every_source_file_and_no_test(wheel_names: list[str]) -> None:
    sources = {
        path.relative_to(room).as_posix()
        for room in (ROOT / name for name in ("sdk", "training", "export", "benchmarks", "cli"))
        for path in room.glob("nearsight*/**/*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(room).parts)
    }
    packed = {name for name in wheel_names if ".dist-info/" not in name}
    assert packed == sources
    assert not [name for name in packed if Path(name).name.startswith(("test_", "conftest"))]


def test_the_source_archive_can_be_tested_and_holds_no_leftovers(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for needed in ("Makefile", "constraints.txt", "constraints-device.txt", "LICENSE", "README.md", "CHANGELOG.md"):
        assert needed in names
    assert any(name.startswith("tests/packaging/") for name in names)
    assert not [name for name in names if name.startswith((".venv", "runs/", "build/", "dist/"))]


def test_the_metadata_is_complete(archives: tuple[Path, Path], wheel_names: list[str]) -> None:
    name = next(name for name in wheel_names if name.endswith("/METADATA"))
    with zipfile.ZipFile(archives[1]) as wheel:
        described = HeaderParser().parsestr(wheel.read(name).decode())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert described["Name"] == "nearsight"
    assert described["Summary"] == declared["description"]
    assert described["License-Expression"] == "Apache-2.0"
    assert described["Requires-Python"] == ">=3.11"
    assert described["Description-Content-Type"] == "text/markdown"
    required = [need for need in described.get_all("Requires-Dist") if "extra ==" not in need]
    assert sorted(need.split(">")[0] for need in required) == ["msgspec", "numpy"]
    assert set(described.get_all("Provides-Extra")) == set(declared["optional-dependencies"])


def test_the_wheel_works_with_numpy_and_msgspec_alone(archives: tuple[Path, Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    python = next((tmp_path / "clean").glob("[bS]*/python*"))
    run(python, "-m", "pip", "install", "-qq", "--constraint", ROOT / "constraints.txt", archives[1])
    installed = run(python, "-m", "pip", "list", "--format", "freeze").split()
    assert {line.split("==")[0] for line in installed} - {"pip", "setuptools"} == {"nearsight", "numpy", "msgspec"}
    public = (
        "import nearsight; print(nearsight.__version__, len([getattr(nearsight, name) for name in nearsight.__all__]))"
    )
    version, names = run(python, "-I", "-c", public, cwd=tmp_path).split()
    assert version in archives[1].name
    assert int(names) >= len(["load", "Insight", "Session", "__version__"])


def test_constraints_pin_exact_versions_and_name_no_place() -> None:
    for name in ("constraints.txt", "constraints-device.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert [line for line in lines if "==" not in line or "/" in line or "--" in line] == []


def test_everything_that_the_full_environment_installs_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {
        canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)
    }
    for name in required_by("nearsight", {"dev"}) - {"nearsight"}:
        assert (name, pinned.get(name)) == (name, metadata.version(name))


def required_by(name: str, extras: set[str]) -> set[str]:
    """Every installed distribution that `name` with `extras` leads to."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(name), frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        for need in map(Requirement, metadata.requires(name) or ()):
            if any(need.marker is None or need.marker.evaluate({"extra": extra}) for extra in {"", *wanted}):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))
    return {name for name, _ in seen}
