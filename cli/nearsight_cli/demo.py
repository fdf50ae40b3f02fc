"""`nearsight demo`: the main job on real purchases, as the commands that anybody would type."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nearsight.bundle import write_atomically
from nearsight_cli.manual import manual
from nearsight_cli.output import print_prose, print_text, tell

__all__ = ["demo", "register"]

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
        "Will a customer buy again? The data: everything that 23,570 customers of the online record shop CDNOW bought "
        "in the eighteen months after they joined it in early 1997 (Fader and Hardie)."
    )
    write_atomically(log, cdnow().frame.write_csv().encode())
    tell(f"The log is {log}")
    _run("train", str(log), *shlex.split(_QUESTION), "--out", str(out))
    _run("export", str(out), "--out", str(bundle))
    print_text("\nNow as an app would: customers that training never saw, one purchase after the other.\n")
    streaming.show(bundle, load_histories(out).select(SPLITS.index("test")))
    _run("bench", str(out), str(bundle), "--quick")
    print_text(_after(out, bundle))


def _run(*arguments: str) -> None:
    """Say the command and run it."""
    from nearsight_cli.app import app

    print_text(f"\n$ nearsight {shlex.join(arguments)}\n")
    app(list(arguments), standalone_mode=False)


def _after(out: Path, bundle: Path) -> str:
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
            f"  nearsight inspect {bundle}",
            f"  python examples/desktop_app.py {bundle} --folder app-data",
            "  nearsight train --help    with a log of your own",
        ]
    )
