"""`nearsight predict`: answers for every user or sample of a file."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json

__all__ = ["predict", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = [
        "nearsight predict model.nsight new_user_behavior_data.csv",
        "nearsight predict model.nsight events.csv --user user_id --time timestamp --event event --out answers.csv",
    ]
    app.command(epilog=manual(examples, "Next: in your app, ask after every event with session.observe()."))(predict)


def predict(
    bundle: Annotated[Path, typer.Argument(help="A .nsight file.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="A CSV, JSON lines or Parquet file.", show_default=False)],
    json: Json = False,
) -> None:
    """Answer for every user of a log, or for every row of a wide table."""
