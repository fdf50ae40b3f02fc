"""A few real customers of the test, streamed purchase by purchase, and what the model said each time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

import nearsight
from nearsight_cli.duration import spoken
from nearsight_cli.output import print_table, print_text

if TYPE_CHECKING:
    from nearsight_training.histories import Histories

__all__ = ["Customer", "Line", "chosen", "show", "streamed"]


class Line(msgspec.Struct, frozen=True):
    """A purchase, or with `bought` "nothing" the silence until `date`; `chance` is what the model said then."""

    date: str
    bought: str
    gap: str
    chance: float


class Customer(msgspec.Struct, frozen=True):
    """What the model said of one customer, and what the customer did afterwards."""

    lines: tuple[Line, ...]
    came_back: bool


def chosen(histories: "Histories") -> list[int]:
    """Three customers with answers that are known: a faithful one, one who stayed away, and one who came only once."""
    asked = histories.ask_history
    lengths, answers = histories.lengths[asked], histories.ask_labels[:, 0]
    last = histories.times[histories.ask_events]
    silent = histories.ask_time - last > np.median(histories.ask_time - last)
    kinds = (
        (lengths >= 5) & (lengths <= 7) & (answers == 1),
        (lengths >= 4) & (lengths <= 6) & (answers == 0) & silent,
    )
    return [int(asked[np.flatnonzero(kind)[0]]) for kind in (*kinds, (lengths == 1) & (answers == 0)) if kind.any()]


def streamed(insight: nearsight.Insight, histories: "Histories", customer: int) -> Customer:
    """Feed one customer's purchases to a fresh session, then ask at the question's time."""
    question = int(np.flatnonzero(histories.ask_history == customer)[0])
    head = next(iter(insight.session().observe("purchase", time=0.0)))
    session, lines, before = insight.session(), list[Line](), None
    for event in range(*histories.span(customer).indices(len(histories.times))):
        time = float(histories.times[event])
        cds, dollars = (float(histories.fields[name][event]) for name in ("cds", "dollars"))
        reading = session.observe("purchase", time=time, cds=cds, dollars=dollars)
        lines.append(Line(_day(time), _goods(cds, dollars), _gap(before, time), reading[head]))
        before = time
    asked = float(histories.ask_time[question])
    lines.append(Line(_day(asked), "nothing since", _gap(before, asked), session.score(time=asked)[head]))
    return Customer(tuple(lines), bool(histories.ask_labels[question, 0]))


def show(bundle: Path, histories: "Histories") -> None:
    """Print the customers that `chosen` picks."""
    insight = nearsight.load(bundle)
    for number, customer in enumerate(chosen(histories), 1):
        found = streamed(insight, histories, customer)
        rows = [[line.date, line.bought, line.gap, f"{line.chance:.0%}".replace("%", " %")] for line in found.lines]
        print_table(f"Customer {number}", ["date", "bought", "after", "buys again"], rows, names=3)
        print_text(
            f"What happened: {'bought again' if found.came_back else 'did not buy again'} within the 39 weeks after.\n"
        )


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()


def _gap(before: float | None, time: float) -> str:
    return "" if before is None else spoken(time - before)


def _goods(cds: float, dollars: float) -> str:
    return f"{cds:.0f} CD{'' if cds == 1 else 's'} for ${dollars:.2f}"
