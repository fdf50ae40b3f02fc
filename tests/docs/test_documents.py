"""What the documents show is true: commands parse, targets exist, links lead somewhere, Python runs."""

import doctest
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

import made_up
import nearsight
from nearsight.bundle import write_bundle
from nearsight_cli.app import app
from nearsight_export.recipe import QuantisationAware, StructuredPruning, read_recipe
from nearsight_training.declaration import read_declaration

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ROOMS = ("sdk", "training", "export", "benchmarks", "cli")


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced blocks of a document in one of the `languages`."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    return [content for language, content in fenced if language in languages]


def lines_with(program: str) -> list[tuple[str, list[str]]]:
    """Every line of a code block that runs `program`, with its document and its arguments."""
    found = []
    for document in DOCUMENTS:
        for block in blocks(document, "", "console", "sh", "bash", "text"):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.strip().removeprefix("$ ").partition("#")[0]
                if words.startswith(f"{program} "):
                    found.append((document.name, shlex.split(words)[1:]))
    return found


def test_the_readme_shows_the_commands_and_the_api() -> None:
    shown = {arguments[0] for name, arguments in lines_with("nearsight") if name == "README.md"}
    assert {"train", "export", "bench"} <= shown
    assert any("nearsight.load(" in block for block in blocks(ROOT / "README.md", "python"))


@pytest.mark.parametrize(("document", "arguments"), lines_with("nearsight"), ids=str)
def test_a_command_in_a_document_exists_with_its_options(document: str, arguments: list[str]) -> None:
    commands = typer.main.get_command(app).commands
    assert arguments[0] in commands or arguments[0].startswith("--")
    if arguments[0] in commands and "--help" not in arguments:
        commands[arguments[0]].make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize(("document", "arguments"), lines_with("make"), ids=str)
def test_a_target_in_a_document_exists(document: str, arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in arguments if "=" not in word} <= set(targets)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_inside_of_the_project_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_in_a_document_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks(document, "python"))
    monkeypatch.setitem(sys.modules, "keyring", None)  # a store's key goes into a file, not into the reader's keyring
    for name in re.findall(r'(?:load|open)\("([^"]+\.nsight)"', code):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_bundle(name, made_up.bundle())
    exec(compile(code, document.name, "exec"), {"__name__": "document"})


def test_the_questions_in_the_readme_can_be_asked(tmp_path: Path) -> None:
    declaration, _ = blocks(ROOT / "README.md", "toml")
    (tmp_path / "shop.toml").write_text(declaration)
    config = read_declaration(tmp_path / "shop.toml").config()
    asked = [getattr(each, "name", None) for each in (*config.targets, *config.values, config.next_item)]
    assert asked == ["buys", "leaves", "spend", "next_product"]


def test_the_recipe_in_the_readme_can_be_followed(tmp_path: Path) -> None:
    _, recipe = blocks(ROOT / "README.md", "toml")
    (tmp_path / "mine.toml").write_text(recipe)
    passes = read_recipe(str(tmp_path / "mine.toml")).passes
    assert passes == (StructuredPruning(filters=24, units=28), QuantisationAware(bits=4))


def test_the_architecture_names_files_that_are_there() -> None:
    named = set(re.findall(r"`(\w+\.py)`", (ROOT / "docs" / "architecture.md").read_text()))
    there = {file.name for room in ROOMS for file in (ROOT / room).rglob("*.py")}
    assert len(named) > 40
    assert named - there == set()


def test_the_privacy_page_names_functions_and_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text()
    cells, more = (
        "".join(line for line in part.splitlines() if line.startswith("| ") and "`" in line)
        for part in page.split("## When something goes wrong")
    )
    tests = "".join(
        file.read_text() for room in ("sdk", "device") for file in (ROOT / "tests" / room).glob("test_*.py")
    )
    named = set(re.findall(r"`(\w+)", cells))
    checks = {name for name in named if name.startswith("test_")}
    assert len(checks) > 12
    assert [name for name in (*checks, *re.findall(r"`(test_\w+)", more)) if f"def {name}(" not in tests] == []
    parameters = inspect.signature(nearsight.open).parameters
    assert [name for name in named - checks if not hasattr(nearsight.Store, name) and name not in parameters] == []


def modules_with_examples() -> list[str]:
    files = [(room, file) for room in ROOMS for file in (ROOT / room).rglob("*.py") if ">>> " in file.read_text()]
    return sorted(".".join(file.relative_to(ROOT / room).with_suffix("").parts) for room, file in files)


@pytest.mark.parametrize("module", modules_with_examples())
def test_an_example_in_a_docstring_is_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module.removesuffix(".__init__")))
    assert result.attempted > 0
    assert result.failed == 0
