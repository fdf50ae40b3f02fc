"""`nearsight demo`: the main job on real purchases."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual

__all__ = ["demo", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight demo", "nearsight demo --out runs/demo"]
    app.command(epilog=manual(examples, "Next: nearsight train --help, with a log of your own."))(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("runs/demo"),
) -> None:
    """Run the main job on 69,659 real purchases: train, compress, export, stream, benchmark."""
