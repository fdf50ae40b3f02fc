"""What a search found: the trials that no other one beats, and which of them to take."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nearsight_training.metrics import Interval

__all__ = ["MOST_LOST", "RULE", "Against", "Trial", "best", "front", "is_behind", "recommended", "verdict"]

_ENOUGH = 3  # early scores that say what can be expected
MOST_LOST = 0.01  # of AUC or of nats: with few validation users anything lies within the interval
RULE = (
    "the smallest product of step time and size among the trials on the Pareto front whose validation {figure} can't "
    f"be told apart from the best one's (paired 95 % interval over users) and lies at most {MOST_LOST:g} from it"
)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration that was tried. `state` is done, pruned or failed, `reason` why the last two.

    `score` is the mean AUC over the yes/no questions, or minus the log loss of the next event where there are none,
    of the 8-bit artifact on validation; `early` is the network's own at the check for pruning. `p50_us` is the
    artifact's median step and `reference_us` the default's in turn with it; `pace` is their ratio, by which trials are
    compared. What wasn't measured is None.
    """

    number: int
    state: str
    choices: Mapping[str, int | float | str]
    seconds: float
    score: float | None = None
    early: float | None = None
    weights: int = 0
    bytes: int | None = None
    p50_us: float | None = None
    reference_us: float | None = None
    pace: float | None = None
    reason: str = ""

    @property
    def values(self) -> tuple[float, float, float]:
        """Score, pace and bytes. Raises `ValueError` where the trial isn't done."""
        if self.score is None or self.pace is None or self.bytes is None:
            raise ValueError(f"trial {self.number} is {self.state}: it has no figures")
        return self.score, self.pace, self.bytes


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """The recommended artifact against the default's: shares of its bytes and its step time, the score's change."""

    size: float
    time: float
    change: Interval


def front(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The done trials that no other one beats in score, pace and bytes at once; the smallest first.

    A trial is beaten by one that is nowhere worse and somewhere better. Equal ones stand on the front together.
    """
    done = [trial for trial in trials if trial.state == "done"]
    kept = [trial for trial in done if not any(_beats(other, trial) for other in done)]
    return tuple(sorted(kept, key=lambda trial: (trial.values[2], trial.values[1], trial.number)))


def best(trials: Sequence[Trial]) -> Trial:
    """The done trial with the highest score; of equal ones the fastest, then the smallest."""
    done = [trial for trial in trials if trial.state == "done"]
    return max(done, key=lambda trial: (trial.values[0], -trial.values[1], -trial.values[2], -trial.number))


def is_behind(early: float, weights: int, earlier: Sequence[Trial]) -> bool:
    """Whether an early score is below the median of those, at least three, of trials with no more weights."""
    known = [trial.early for trial in earlier if trial.early is not None and trial.weights <= weights]
    return len(known) >= _ENOUGH and early < float(np.median(known))


def recommended(candidates: Sequence[Trial], ahead: Mapping[int, Interval]) -> Trial:
    """The one to take by `RULE` from a front; `ahead` is by how much the best one's score is higher, by number."""
    good = [trial for trial in candidates if ahead[trial.number].low <= 0 and ahead[trial.number].value <= MOST_LOST]
    return min(good, key=lambda trial: (trial.values[1] * trial.values[2], -trial.values[0], trial.number))


def verdict(trial: Trial, default: Trial, against: Against, figure: str) -> str:
    """The recommendation in a sentence."""
    if trial.number == default.number:
        return f"Keep the default configuration: it has {RULE.format(figure=figure)}."
    choices = ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in trial.choices.items())
    change, sign = against.change, 1 if figure == "AUC" else -1  # a score is minus a log loss
    low, high = sorted((sign * change.low, sign * change.high))
    changed = f"{sign * change.value:+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−")
    return (
        f"Take trial {trial.number} ({choices}): its file has {against.size:.2f} times the default's bytes, its step "
        f"takes {against.time:.2f} times as long, and validation {figure} changes by {changed}. "
        f"It has {RULE.format(figure=figure)}."
    )


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _beats(one: Trial, other: Trial) -> bool:
    (score, pace, size), (its_score, its_pace, its_size) = one.values, other.values
    no_worse = score >= its_score and pace <= its_pace and size <= its_size
    return no_worse and one.values != other.values
