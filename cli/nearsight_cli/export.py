"""`nearsight export`: a run in, a bundle out, proven equal or not written at all."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json

__all__ = ["export", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight export runs/events", "nearsight export runs/events --sparsity 0.5 --out shop.nsight"]
    app.command(epilog=manual(examples, "Next: nearsight inspect shows what is inside; nearsight bench measures it."))(
        export
    )


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    json: Json = False,
) -> None:
    """Prune, quantise and convert a run; prove every artifact equal to the trained model; pack one file."""
