"""Everything that nearsight raises on purpose.

    NearsightError
    ├── InputError          a file, column or option at the developer's desk
    ├── BundleError         a .nsight file that can't be trusted or read
    ├── RuntimeMissingError no installed runtime can run what the bundle carries
    ├── EventError          an event with a missing or unusable part
    ├── SnapshotError       a snapshot that doesn't belong to this model
    ├── ReportError         a question, an answer or a report that can't be used as it is
    ├── BudgetError         a question that asks for more than is left of a user's privacy budget
    ├── StoreError          a store that can't be opened, read or written as it was asked to
    ├── ConsentError        a user who didn't consent to what was asked for
    └── UpdateError         a channel that can't be reached or trusted

Each message is one sentence that says what was expected, what came and what to do. A message about an event
names its field and the type that came, never the value, and none names a user: behaviour data doesn't belong in a log.
"""

__all__ = [
    "BudgetError",
    "BundleError",
    "ConsentError",
    "EventError",
    "InputError",
    "NearsightError",
    "ReportError",
    "RuntimeMissingError",
    "SnapshotError",
    "StoreError",
    "UpdateError",
]


class NearsightError(Exception):
    """The root of every error below."""


class InputError(NearsightError):
    """A file, column or option at the developer's desk can't be used as it is."""


class BundleError(NearsightError):
    """A bundle is truncated, altered, of a newer format, or not a bundle."""


class RuntimeMissingError(NearsightError):
    """No installed runtime can run what the bundle carries."""


class EventError(NearsightError):
    """An event lacks a part that the specification needs, or a part has an unusable type."""


class SnapshotError(NearsightError):
    """A snapshot is damaged or was taken from another model."""


class ReportError(NearsightError, ValueError):
    """A question, answer or report can't be used as it is; a `ValueError`, so that formats can check themselves."""


class BudgetError(NearsightError):
    """A question asks for more than is left of a user's privacy budget."""


class StoreError(NearsightError):
    """A store can't be opened, read or written as it was asked to: its key, its format, its disk, its options."""


class ConsentError(NearsightError):
    """A user didn't consent to the purpose that was asked for; it is named, the user isn't."""


class UpdateError(NearsightError):
    """A channel can't be reached, or what it offers can't be trusted; the bundle before stays."""
