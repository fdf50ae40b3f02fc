"""The typer application and its commands."""

from typing import Annotated

import typer

from nearsight import __version__
from nearsight_cli import aggregate, bench, compress, datasets, demo, export, init, inspect, predict, train, trust, tune
from nearsight_cli.manual import manual

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=manual(
        ["nearsight demo", "nearsight train --help"],
        "Start with the demo: real purchases, from training to a report, in about four minutes.",
    ),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nearsight {__version__}")
        raise typer.Exit


@app.callback()
def nearsight(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Customer insight that stays on the customer's device.

    Train a small CNN-LSTM on an event log, compress it to tens of kilobytes, and let your app step it once per event.
    """


for command in (demo, datasets, init, train, tune, export, compress, inspect, trust, predict, aggregate, bench):
    command.register(app)
