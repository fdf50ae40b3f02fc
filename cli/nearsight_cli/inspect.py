"""`nearsight inspect`: what a bundle holds, in words."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json, print_json, print_text

__all__ = ["inspect", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight inspect model.nsight", "nearsight inspect model.nsight --json"]
    app.command(epilog=manual(examples, 'Next: in your app, nearsight.load("model.nsight").'))(inspect)


def inspect(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A .nsight file.", show_default=False)],
    json: Json = False,
) -> None:
    """Say what a bundle asks, reads, holds and proves."""
    from nearsight_export.inspection import inspect as described

    description = described(bundle)
    if json:
        print_json(description)
    else:
        print_text(str(description))
