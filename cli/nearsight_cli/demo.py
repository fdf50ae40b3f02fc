"""`nearsight demo`: the main job on real purchases, as the commands that anybody would type."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from nearsight.bundle import write_atomically
from nearsight_cli.manual import manual, pasted
from nearsight_cli.output import print_prose, print_text, tell

__all__ = ["after", "demo", "register"]

_QUESTION = "--target purchase --within 273d --name buys_again --split user --cutoff 1997-09-30"


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight demo", "nearsight demo --out runs/first"]
    app.command(epilog=manual(examples, "Next: nearsight train --help, with a log of your own."))(demo)


def demo(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where everything goes.")] = Path("runs/demo"),
) -> None:
    """Run the main job on 69,659 real purchases: train, compress, export, stream, benchmark. It takes some minutes."""
    from nearsight_cli import streaming
    from nearsight_training.datasets import cdnow
    from nearsight_training.histories import SPLITS
    from nearsight_training.run import load_histories

    log, bundle = out.parent / "cdnow.csv", out / "model.nsight"
    print_prose(
        "Will a customer buy again? The data: 69,659 purchases, all that 23,570 customers of the online record shop "
        "CDNOW bought in the eighteen months after they joined it in early 1997 (Fader and Hardie). What a customer "
        "bought on one day is one event."
    )
    write_atomically(log, cdnow().frame.write_csv().encode())
    tell(f"The log is {log}")
    _run("train", str(log), *shlex.split(_QUESTION), "--out", str(out))
    _run("export", str(out), "--out", str(bundle))
    print_text()
    print_prose("Now as an app would: customers that training never saw, one purchase after the other.")
    print_text()
    streaming.show(bundle, load_histories(out).select(SPLITS.index("test")))
    _run("bench", str(out), str(bundle), "--quick")
    print_text(after(out, bundle))


def _run(*arguments: str) -> None:
    """Say the command and run it."""
    from nearsight_cli.app import app

    command = pasted(f"nearsight {shlex.join(arguments)}", "$ ")
    print_text(f"\n{command}\n")
    app(list(arguments), standalone_mode=False)


def after(out: Path, bundle: Path) -> str:
    """What there is now and what to try next."""
    there = {
        bundle: "the file that ships with an app",
        out / "report.html": "latency against accuracy, and what to pick",
        out: "the run: weights, metrics, logs",
    }
    width = max(len(str(path)) for path in there)
    return "\n".join(
        [
            "\nWhat there is now:",
            *(f"  {str(path).ljust(width)}  {meaning}" for path, meaning in there.items()),
            "\nWhat to try next:",
            *(f"  {step}" for step in _steps(bundle)),
        ]
    )


def _steps(bundle: Path) -> Iterator[str]:
    """Commands that work as they stand, in this shell and this folder."""
    activate, app = Path(sys.prefix, "bin", "activate"), Path("examples", "desktop_app.py")
    if shutil.which("nearsight") is None and activate.is_file():
        yield f". {shlex.quote(os.path.relpath(activate))}    so that the shell finds nearsight"
    yield f"nearsight inspect {bundle}"
    if app.is_file():
        event = shlex.quote('{"event": "purchase", "cds": 2, "dollars": 29.5}')
        yield f"echo {event} |\\\n      python {app} {bundle} --folder app-data"
    yield "nearsight train --help    with a log of your own"
