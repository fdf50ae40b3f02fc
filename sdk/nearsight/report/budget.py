"""How much of a user's privacy may still be spent, and what was answered for it."""

from fractions import Fraction

import msgspec

from nearsight.errors import BudgetError, ReportError, SnapshotError
from nearsight.report.mechanisms import Mechanism, exact
from nearsight.report.message import Report
from nearsight.values import EARLIEST, LATEST

__all__ = ["Budget"]

_FORMAT = 1


class Budget(msgspec.Struct, forbid_unknown_fields=True):
    """One user's accountant: all reports of a period together are `total`-differentially private.

    Costs add up (basic composition: Dwork & Roth 2014, theorem 3.14) as exact decimals. Where `renews_seconds` is
    declared, a new period begins at each multiple of it since 1970, and what a user loses adds up over the periods; a
    clock that jumps back stands still. Without it the budget is for good.

    `paid` holds what each question cost in this period, `answers` what came of it. A question that is asked again gets
    the same report, though the truth may have changed: fresh draws could be averaged, and one draw for each truth
    (Erlingsson, Pihur & Korolova 2014, "RAPPOR") would show for certain that the truth changed. Not safe for use from
    several threads at once. Raises `ReportError` where the total or the period is impossible.
    """

    total: float
    renews_seconds: int | None = None
    format: int = _FORMAT
    period: int | None = None
    paid: dict[str, float] = {}
    answers: dict[str, Report] = {}

    def __post_init__(self) -> None:
        if not 0 < self.total < float("inf"):
            raise ReportError(f"a budget's total ε must be above 0, received {self.total!r}: 1 to 4 is usual")
        if self.renews_seconds is not None and self.renews_seconds < 1:
            raise ReportError(
                f"a budget must renew after whole seconds, received {self.renews_seconds!r}: 2_592_000 is 30 days"
            )

    @property
    def left(self) -> float:
        """The ε that is left in this period."""
        return float(self._left())

    def begin(self, time: float | None) -> None:
        """Begin the period that `time` lies in, in seconds since 1970, unless it or a later one has begun.

        Raises `ReportError` where the budget renews and `time` is missing or can't be a date.
        """
        if self.renews_seconds is None:
            return
        if time is None or not EARLIEST <= time <= LATEST:
            raise ReportError(
                "a budget that renews must be asked with the time in seconds since 1970, received "
                f"{'none' if time is None else 'a number outside of the years 1 to 9999'}: pass time="
            )
        start = int(time // self.renews_seconds) * self.renews_seconds
        if self.period is None or start > self.period:
            self.period, self.paid, self.answers = start, {}, {}

    def earlier(self, question: str, mechanism: Mechanism) -> Report | None:
        """What `question` was answered in this period; None where it wasn't.

        Raises `ReportError` where it was asked with another mechanism.
        """
        found = self.answers.get(question)
        if found is not None and found.mechanism != mechanism:
            raise ReportError(
                f"question {question!r} was answered with other options, bounds or ε before: give the new one a name "
                "of its own"
            )
        return found

    def pay(self, question: str, epsilon: float) -> None:
        """Spend what an answer costs, before it is drawn; one that was paid for and never drawn is paid for still.

        Raises `BudgetError` where less is left.
        """
        if self.paid.get(question) == epsilon:
            return
        if exact(epsilon) > self._left():
            raise BudgetError(
                f"question {question!r} asks for ε = {epsilon:g} where {self.left:g} of {self.total:g} is left: ask "
                f"{'it in the next period' if self.renews_seconds else 'fewer questions'}, or with a smaller ε"
            )
        self.paid[question] = epsilon

    def snapshot(self) -> bytes:
        """The budget as JSON. Keep it before a report leaves, or a crash would forget what was spent."""
        return msgspec.json.encode(self)

    @classmethod
    def restored(cls, snapshot: bytes) -> "Budget":
        """The budget of a snapshot. Raises `SnapshotError` where it is damaged or of a newer format."""
        try:
            found = msgspec.json.decode(snapshot, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise SnapshotError(f"this isn't a budget's snapshot ({error}): pass what Budget.snapshot gave") from error
        if found.format != _FORMAT:
            raise SnapshotError(f"the budget has format {found.format} where {_FORMAT} is read: update nearsight")
        if found._left() < 0 or not found.answers.keys() <= found.paid.keys():
            raise SnapshotError("the budget's snapshot doesn't add up: pass what Budget.snapshot gave")
        return found

    def _left(self) -> Fraction:
        return exact(self.total) - sum(map(exact, self.paid.values()))
