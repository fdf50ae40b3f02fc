"""`nearsight bench`: latency, size, memory and accuracy, side by side with the usual ways."""

from pathlib import Path
from typing import Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json

__all__ = ["bench", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight bench runs/events", "nearsight bench runs/events --quick --json"]
    app.command(epilog=manual(examples, "Next: open the report; its first lines say what to ship and why."))(bench)


def bench(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    json: Json = False,
) -> None:
    """Measure latency against accuracy: every variant and runtime, and the usual alternatives, in one session."""
