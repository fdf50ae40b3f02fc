"""`nearsight aggregate`: what the noised reports of many devices say together."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nearsight_cli.manual import manual
from nearsight_cli.output import Json, print_json, print_prose, print_table, print_text, tell

if TYPE_CHECKING:
    from nearsight_training.aggregate import Aggregate, Estimate

__all__ = ["aggregate", "register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    examples = ["nearsight aggregate reports.jsonl", "nearsight aggregate monday.jsonl tuesday.jsonl --json"]
    after = "Next: in your app, nearsight.report asks; the more users answer, the narrower the intervals."
    app.command(epilog=manual(examples, after))(aggregate)


def aggregate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Reports, one JSON object a line.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Say what noised reports of many devices mean together: shares and means without the noise's bias, with intervals.

    Questions with too few reports are left out."""
    from nearsight_training.aggregate import aggregate as aggregated

    found = aggregated(files)
    for sentence in found.too_few:
        tell(sentence)
    if json:
        print_json(found)
        return
    for question in found.questions:
        _print(question)
    print_prose("The intervals hold the noise, and that these users are a sample of more.")


def _print(found: "Aggregate") -> None:
    is_share = len(found.estimates) > 1
    when = "" if found.period is None else f", from {datetime.fromtimestamp(found.period, UTC):%Y-%m-%d %H:%M} UTC"
    title = f"{found.question}{when}: {found.reports:,} reports, ε = {found.mechanism.epsilon:g}"
    value, total = ("share", "users") if is_share else ("mean", "sum")
    columns = ["", value, "95 % interval", total, "95 % interval"]
    print_table(title, columns, [_row(each, is_share) for each in found.estimates])
    print_text()


def _row(each: "Estimate", is_share: bool) -> list[str]:
    def said(number: float, is_total: bool) -> str:
        if is_total:
            return f"{number:,.0f}"
        return f"{100 * number:.1f} %" if is_share else f"{number:.4g}"

    cells = [each.name if is_share else ""]
    for interval, is_total in ((each.value, False), (each.total, True)):
        low, high = said(interval.low, is_total), said(interval.high, is_total)
        cells += [said(interval.value, is_total), f"{low} to {high}"]
    return cells
