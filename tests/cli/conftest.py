import contextlib
import csv
import io
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.timing import Plan
from nearsight_cli.__main__ import main

SMALL = ["--filters", "4", "--units", "6", "--epochs", "1", "--no-teach"]  # a network that trains in seconds
# The examples of the help run with these besides: the demo's test makes all variants, and prunes.
QUICK = {"train": SMALL, "export": ["--only", "--sparsity", "0"], "bench": ["--quick"]}


SHOP = """
[log]
user = "user_id"
time = "timestamp"
reset_after = "12h"

[[question]]
kind = "will_do"
name = "buys"
events = ["purchase"]
within = "7d"

[[question]]
kind = "inactive"
name = "leaves"
for = "5d"
active_within = "2d"
"""


@dataclass
class Outcome:
    code: int
    out: str
    err: str


Nearsight = Callable[..., Outcome]


def nearsight(*arguments: object, folder: Path) -> Outcome:
    """Runs a command in this process, as the shell would in `folder`."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["nearsight", *map(str, arguments)]
    try:
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    else:
        code = 0
    finally:
        sys.argv = argv
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples in the help name."""
    folder = tmp_path_factory.mktemp("shop")
    write_events(folder / "events.csv")
    write_orders(folder / "orders.csv")
    (folder / "shop.toml").write_text(SHOP)
    write_table(folder / "user_behavior_data.csv", rows=200, labelled=True)
    write_table(folder / "new_user_behavior_data.csv", rows=7, labelled=False)
    return folder


@dataclass
class Made:
    """A folder with two runs and their bundles in it, and what the commands that made them said."""

    folder: Path
    outcomes: dict[str, Outcome]

    def outcome(self, example: list[str], folder: Path) -> Outcome:
        """What an example said; one that made nothing here is run in `folder`."""
        return self.outcomes.get(shlex.join(example)) or nearsight(*quick(example), folder=folder)


@pytest.fixture(scope="session")
def made(shop: Path) -> Iterator[Made]:
    """Examples of the help, from a log and from a table: `runs/events` and `model.nsight` are what they left."""
    folder = shop.with_name("exported")
    shutil.copytree(shop, folder)
    log, *_, table = examples_of("train")
    commands = (log, table, ["export", "runs/events"])
    outcomes = {shlex.join(example): nearsight(*quick(example), folder=folder) for example in commands}
    packed = ["export", "runs/user_behavior_data", "--numpy", "--out", "model.nsight"]
    outcomes[shlex.join(packed)] = nearsight(*quick(packed), folder=folder)
    for command, done in outcomes.items():
        assert done.code == 0, f"{command}: {done.err}"
    shutil.copy(folder / "runs/events/model.nsight", folder / "shop.nsight")
    yield Made(folder, outcomes)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def exported(made: Made) -> Path:
    """That folder: `shop.nsight` answers the log, `model.nsight` the table."""
    return made.folder


@pytest.fixture(scope="session")
def hurried() -> Iterator[None]:
    """A benchmark that times little: its figures are wrong, its steps and files are those of any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BenchConfig, "plan", property(lambda _: Plan(calls=20, fewest=2, seconds=0.1, rounds=2)))
        patch.setattr(BenchConfig, "processes", property(lambda _: 1))
        patch.setattr(BenchConfig, "resamples", property(lambda _: 30))
        yield


def quick(example: list[str]) -> list[str]:
    """An example with what makes it quick, where it doesn't say otherwise itself."""
    more = QUICK.get(example[0], [])
    return [*example, *(more if more[0] not in example else [])] if more else example


def help_of(*command: str, columns: int = 80) -> str:
    environment = {"COLUMNS": str(columns), "TERM": "dumb", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-m", "nearsight_cli", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout


def examples_of(command: str) -> list[list[str]]:
    """The examples in a command's help, as a reader would paste them from a terminal of 80 columns."""
    text = help_of(command).partition("Examples")[2].partition("Next:")[0]
    lines = re.sub(r"\\\s*\n", " ", text).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.strip().startswith("nearsight ")]


def write_events(path: Path, users: int = 200) -> None:
    """Two kinds of people over four months: some look in every few days and buy, the others hardly do."""
    rng = random.Random(7)
    rows = []
    for user in range(users):
        day, keen = rng.uniform(0, 60), rng.random() < 0.5
        while day < 120:
            event = rng.choices(["view", "cart", "purchase", "renew"], [5, 3, 3, 1] if keen else [8, 1, 0.4, 0.2])[0]
            moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
            price = round(rng.lognormvariate(3, 1), 2)
            rows.append((f"u{user}", moment.isoformat(), event, price, rng.choice(["free", "paid"])))
            day += rng.expovariate(1 / (6 if keen else 12))
    rng.shuffle(rows)
    write_csv(path, ["user_id", "timestamp", "event", "price", "plan"], rows)


def write_orders(path: Path, customers: int = 150) -> None:
    rng = random.Random(8)
    rows = []
    for customer in range(customers):
        day = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=rng.randint(0, 200))
        pace = rng.choice([20, 150])
        while day.year == 2025:
            rows.append((customer, day.date().isoformat(), round(rng.uniform(5, 80), 2)))
            day += timedelta(days=rng.randint(1, 2 * pace))
    write_csv(path, ["customer", "date", "total"], rows)


def write_table(path: Path, rows: int, labelled: bool) -> None:
    """Ten steps a row; the label says whether the last steps were high."""
    rng = random.Random(9)
    table = []
    for _ in range(rows):
        steps = [round(rng.uniform(0, 100), 1) for _ in range(10)]
        label = int(sum(steps[-4:]) + rng.gauss(0, 20) > 200)
        table.append([*steps, label] if labelled else steps)
    write_csv(path, [f"step_{step}" for step in range(10)] + ["purchased"] * labelled, table)


def write_csv(path: Path, header: list[str], rows: list[object]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows(rows)


@pytest.fixture
def place(exported: Path, tmp_path: Path) -> Path:
    """A folder with the runs of a log and of a table, their files, and what isn't a search."""
    for run in ("events", "user_behavior_data"):
        shutil.copytree(exported / "runs" / run, tmp_path / "runs" / run)
    for name in ("events.csv", "orders.csv", "user_behavior_data.csv"):
        shutil.copy(exported / name, tmp_path / name)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.txt").write_text("miaow")
    return tmp_path
