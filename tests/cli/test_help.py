"""What `--help` says is true, short enough for a terminal, and quick to come."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Made, examples_of, help_of, nearsight
from nearsight_export.recipe import COSTS, RECIPES

COMMANDS = (
    "demo",
    "datasets",
    "init",
    "train",
    "tune",
    "export",
    "compress",
    "inspect",
    "keys",
    "sign",
    "verify",
    "publish",
    "predict",
    "aggregate",
    "bench",
)


def test_the_first_page_names_every_command_and_where_to_start() -> None:
    page = help_of()
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", page)
    assert "nearsight demo" in page.partition("Examples")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_examples_and_what_comes_next(command: str) -> None:
    examples = examples_of(command)
    assert examples
    assert {example[0] for example in examples} == {command}
    assert "Next: " in help_of(command)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_the_terminal(command: str, columns: int) -> None:
    assert max(map(len, help_of(command, columns=columns).splitlines())) <= columns


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["tune", "--help"], ["--version"], ["inspect", "missing.nsight"]]
)
def test_nothing_heavy_is_loaded_before_it_is_needed(arguments: list[str]) -> None:
    code = (
        "import json, sys\nsys.argv = ['nearsight', *sys.argv[1:]]\nfrom nearsight_cli.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    heavy = {
        "tensorflow",
        "tf_keras",
        "keras",
        "polars",
        "pandas",
        "sklearn",
        "scipy",
        "lightgbm",
        "matplotlib",
        "onnx",
        "optuna",
    }
    assert loaded & heavy == set()


def test_each_preset_is_named_with_what_it_costs() -> None:
    assert set(COSTS) == set(RECIPES)
    page = " ".join(help_of("export").replace("│", " ").split())
    for name, cost in COSTS.items():
        assert f"{name}: {cost}." in page


def test_version() -> None:
    import nearsight as package

    done = nearsight("--version", folder=Path())
    assert (done.code, done.out) == (0, f"nearsight {package.__version__}\n")


@pytest.mark.parametrize("example", examples_of("train"), ids=" ".join)
def test_the_examples_of_train_run(example: list[str], made: Made, shop: Path) -> None:
    done = made.outcome(example, shop)
    assert done.code == 0, done.err
    assert "auc" in done.out.lower()
    assert f"nearsight export runs/{Path(example[1]).stem}" in done.out


@pytest.mark.parametrize("example", [*examples_of("inspect"), *examples_of("predict")], ids=" ".join)
def test_the_examples_of_inspect_and_predict_run(example: list[str], exported: Path) -> None:
    done = nearsight(*example, folder=exported)
    assert done.code == 0, done.err
    assert done.out or "--out" in example


@pytest.mark.parametrize("example", [*examples_of("export"), *examples_of("bench")], ids=" ".join)
def test_the_examples_of_export_and_bench_run(example: list[str], made: Made, hurried: None, tmp_path: Path) -> None:
    done = made.outcome(example, shutil.copytree(made.folder, tmp_path / "shop"))
    assert done.code == 0, done.err
    assert {"export": "nsight is ready: ", "bench": "The report is runs/events/report.html"}[example[0]] in done.out
