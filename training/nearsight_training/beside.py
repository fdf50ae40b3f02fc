"""What a model offers beside its heads: segments of users, the average user, and an alarm for unusual ones."""

import msgspec

from nearsight.profile import Traits
from nearsight.segment import Segment
from nearsight.surprise import Alarm
from nearsight_training.metrics import Interval

__all__ = ["Beside", "Segmentation", "Vigilance"]


class Segmentation(msgspec.Struct, frozen=True, kw_only=True):
    """The segments that a training found, the largest first.

    `silhouette` says how well apart they lie (1 at best, 0 where they touch), `stability` is the mean adjusted Rand
    index between clusters of halves of the users. By segment: `users` counts those of training, `test_shares` are of
    the test users, `rates` how often each question was answered yes of test users who were in it when it was asked.
    `moves` is the share of test events that took a user to another segment.
    """

    segments: tuple[Segment, ...] = ()
    silhouette: float = 0.0
    stability: float = 0.0
    users: tuple[int, ...] = ()
    test_shares: tuple[float, ...] = ()
    rates: tuple[dict[str, Interval], ...] = ()
    moves: float = 0.0


class Vigilance(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm with what the test says of it: the share of users ever flagged, among those with two events or more.

    `caught` is that share where the second half of each history is another user's, None where none is long enough.
    """

    alarm: Alarm
    flagged: Interval
    caught: Interval | None


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Whatever of it the data allow; `notes` say why something is missing."""

    segmentation: Segmentation | None = None
    average: Traits | None = None
    vigilance: Vigilance | None = None
    notes: tuple[str, ...] = ()
