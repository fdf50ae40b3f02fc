"""The one thing that leaves the device."""

import msgspec

from nearsight.errors import ReportError
from nearsight.report.mechanisms import Mechanism

__all__ = ["FORMAT", "Report"]

FORMAT = 1


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A noised answer to one question, and how it was noised; nothing says whose it is.

    `value` is a place among the mechanism's options, or a number in its steps from the lower bound on. `period` is when
    the budget's period began, in seconds since 1970, and None where the budget doesn't renew: there is no finer time.
    """

    format: int = FORMAT
    question: str
    mechanism: Mechanism
    value: int
    period: int | None = None

    def __post_init__(self) -> None:
        if not self.mechanism.holds(self.value):
            raise ReportError(f"no device reports the value {self.value} under this mechanism: leave it out")

    def encoded(self) -> bytes:
        """The report as one line of JSON, without the line's end."""
        return msgspec.json.encode(self)

    @classmethod
    def decoded(cls, line: bytes) -> "Report":
        """The report in a line of JSON. Raises `ReportError` where it is of a newer format or none at all."""
        try:
            return msgspec.json.decode(line, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ReportError(_wrong(line, str(error))) from error


class _Format(msgspec.Struct):
    format: int


def _wrong(line: bytes, reason: str) -> str:
    """What to say of a line that isn't a report."""
    try:
        found = msgspec.json.decode(line, type=_Format).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = FORMAT
    if found > FORMAT:
        return f"the report has format {found} where formats up to {FORMAT} are read: update nearsight"
    return f"this isn't a report ({reason}): pass one JSON object a line, as Report.encoded makes it"
