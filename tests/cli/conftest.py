import contextlib
import csv
import io
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nearsight_cli.__main__ import main

SMALL = ["--filters", "8", "--units", "8", "--epochs", "2"]  # a network that trains in seconds
QUICK = ["--only"]  # the variant that ships alone; the demo's test makes all of them


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
    write_table(folder / "user_behavior_data.csv", rows=200, labelled=True)
    write_table(folder / "new_user_behavior_data.csv", rows=7, labelled=False)
    return folder


@pytest.fixture(scope="session")
def exported(shop: Path) -> Iterator[Path]:
    """The same folder with two runs and their bundles in it: `shop.nsight` of the log, `model.nsight` of the table."""
    folder = shop.with_name("exported")
    shutil.copytree(shop, folder)
    train = "train events.csv --user user_id --time timestamp --target purchase --within 7d --out runs/events"
    for command in (
        [*train.split(), *SMALL],
        ["train", "user_behavior_data.csv", "--layout", "wide", *SMALL],
        ["export", "runs/events", *QUICK],
        ["export", "runs/user_behavior_data", *QUICK, "--numpy", "--out", "model.nsight"],
    ):
        done = nearsight(*command, folder=folder)
        assert done.code == 0, done.err
    shutil.copy(folder / "runs/events/model.nsight", folder / "shop.nsight")
    yield folder
    shutil.rmtree(folder)


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
