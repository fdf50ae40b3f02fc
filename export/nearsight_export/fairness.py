"""Whom compression hurts most, in words."""

from collections.abc import Iterator, Sequence

from nearsight_export.questions import percent
from nearsight_export.reports import GroupFigures
from nearsight_training.metrics import Interval

__all__ = ["hurt", "worst"]

_MATTERS = 0.0005  # of AUC or nats: a group that loses less than this more than others isn't called hurt


def worst(groups: Sequence[GroupFigures]) -> Iterator[str]:
    """A sentence for each head on the group that loses most, and others on groups that lose more than the average."""
    for head in dict.fromkeys(group.head for group in groups):
        mine = [group for group in groups if group.head == head]
        yield from hurt(mine)
        if not any(_is_hurt(group.more_auc) for group in mine):
            most = max(mine, key=lambda group: group.lost_auc.value)
            yield (
                f"no group of users is seen to lose more than the others in {head}; of the one that loses most, "
                f"{_told(most)}, and {percent(most.flipped)} of decisions flip"
            )


def hurt(groups: Sequence[GroupFigures]) -> Iterator[str]:
    """A sentence on each group that loses more than the average of its kind, beyond what chance explains."""
    for group in groups:
        if _is_hurt(group.more_auc):
            average = group.lost_auc.value - group.more_auc.value
            yield (
                f"compression hurts some users more than others in {group.head}: of {_told(group)}, where groups "
                f"change by {-average:+.4f} on average, and {percent(group.flipped)} of decisions flip"
            )
        if _is_hurt(group.more_nats):
            lost, average = group.lost_nats, group.lost_nats.value - group.more_nats.value
            yield (
                f"compression makes probabilities of {group.head} worse for some users: the log loss of "
                f"{group.group!r} changes by {lost.value:+.4f} nats ({lost.low:+.4f} to {lost.high:+.4f}), "
                f"where groups change by {average:+.4f} on average"
            )


def _is_hurt(more: Interval) -> bool:
    return more.low > 0 and more.value >= _MATTERS


def _told(group: GroupFigures) -> str:
    lost = group.lost_auc
    return (
        f"{group.group!r} ({group.users} users), the AUC changes by {-lost.value:+.4f} "
        f"({-lost.high:+.4f} to {-lost.low:+.4f})"
    )
