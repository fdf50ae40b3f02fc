"""Questions that a log can't answer are refused before anything is learned."""

import numpy as np

from nearsight.errors import InputError
from nearsight.heads import NextEventHead
from nearsight_training.config import Label, LogConfig, Target, Value
from nearsight_training.log import EventLog
from nearsight_training.specification import fit_category

__all__ = ["check_targets"]


def check_targets(log: EventLog, config: LogConfig) -> None:
    """Raises `InputError` for a name that is taken, for what the log doesn't hold, and for an impossible horizon."""
    names = [each.name for each in (*config.targets, *config.values, *([config.next_item] if config.next_item else []))]
    if len(set(names)) < len(names) or NextEventHead(start=0, vocabulary=()).name in names:
        raise InputError(f"targets need names of their own other than next_event, received {', '.join(names)}")
    items = [config.next_item] if config.next_item is not None else []
    for value in config.values:
        _check_number(log, value, config)
    for item in items:
        _check_field(log, item.name, item.field, "names")
    known = set(log.names.present().tolist())
    for target in (*config.targets, *config.values, *items):
        missing = [event for event in target.events if event not in known]
        if missing or not (target.events or not isinstance(target, Target)):
            shared = fit_category("event", log.names, log.owners, config.min_users).vocabulary
            most = ", ".join(sorted(shared)[:20]) or f"none that {config.min_users} users have"
            raise InputError(f"the log has no event {'' if not missing else missing[0]!r} to predict: it has {most}")
    for asked in (*config.targets, *config.values):
        if isinstance(asked, Label):
            _check_outcome(log, asked)
            continue
        horizon = asked.within_seconds
        if isinstance(asked, Target) and horizon is None:
            horizon = asked.within_events or asked.session_gap_seconds
        if horizon is None or horizon <= 0:
            raise InputError(f"the horizon of {asked.name} must be positive, received {horizon}")


def _check_outcome(log: EventLog, label: Label) -> None:
    if not {0, 1} <= set(np.unique(log.outcomes[label.name]).tolist()):
        raise InputError(
            f"column {label.column!r} must say yes and no somewhere, received only one of them: check what means yes"
        )


def _check_number(log: EventLog, value: Value, config: LogConfig) -> None:
    _check_field(log, value.name, value.field, "numbers")
    if value.field in config.groups:
        raise InputError(f"{value.name} asks for {value.field!r}, which is read in groups alone: drop one or the other")


def _check_field(log: EventLog, asking: str, field: str, kind: str) -> None:
    fitting = [name for name, column in log.fields.items() if (column.dtype == np.float64) == (kind == "numbers")]
    if field not in fitting:
        held = ", ".join(fitting) or "none"
        raise InputError(f"{asking} asks for a field of {kind}, received {field!r}: the log has {held}")
