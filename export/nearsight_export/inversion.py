"""What does a state give away? An attacker who has the bundle steps histories of their own and learns to read states.

The attacker's states are of training users, and what they learned is judged on states of users who were held out: which
events came last, when, with which numbers, and how many there were. Beside it stand the best guess without a state, and
what the answers that the app shows anyway give away.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nearsight.backends import Backend
from nearsight.spec import Spec
from nearsight.trunk import Trunk
from nearsight_export.replay import Replay, stepped
from nearsight_export.reports import Disclosure, ToldEvent, ToldNumber
from nearsight_training.histories import Histories

__all__ = ["FEWEST", "Depth", "Seen", "disclosed", "seen"]

Floats = NDArray[np.float32]
FEWEST = 50  # states on either side, below which nothing is said
_COUNTED = 3  # of the commonest events
_ENOUGH = 0.99  # right, or of the variance


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """How hard is tried: which of the last events are asked for (1 is the last), on how many states."""

    backs: tuple[int, ...]
    learned: int
    judged: int
    trees: int


class Seen(msgspec.Struct, frozen=True):
    """States `(n, S)` after some events of `histories`, drawn, and what the heads said then `(n, O)`."""

    histories: Histories
    events: NDArray[np.int64]
    states: Floats
    heads: Floats


def seen(backend: Backend, histories: Histories, replay: Replay, most: int, seed: int) -> Seen:
    """At most `most` states of a replay that kept them."""
    events = np.sort(np.random.default_rng(seed).permutation(len(histories.codes))[:most])
    heads, after = stepped(backend, histories.codes[events], histories.numbers[events], replay.states[events])
    return Seen(histories, events, after, heads)


def disclosed(own: Seen, held_out: Seen, spec: Spec, trunk: Trunk, depth: Depth) -> Disclosure:
    """What the states of `held_out` users tell an attacker who has the states of their `own`."""
    return Disclosure(
        size=trunk.state_size,
        states=len(held_out.events),
        events=tuple(_events(own, held_out, spec, depth)),
        numbers=tuple(_numbers(own, held_out, spec, depth)),
    )


def _events(own: Seen, held_out: Seen, spec: Spec, depth: Depth) -> Iterator[ToldEvent]:
    for back in depth.backs if len(spec.event.vocabulary) > 1 else ():
        old, new = (_before(each, back) for each in (own, held_out))
        if min(len(old), len(new)) < FEWEST:
            return
        known, asked = (_codes(each, at, back) for each, at in ((own, old), (held_out, new)))
        guess = np.bincount(known).argmax()
        yield ToldEvent(
            back=back,
            states=len(new),
            share=_hits(own.states[old], known, held_out.states[new], asked, depth),
            guessing=float((asked == guess).mean()),
            from_answers=_hits(own.heads[old], known, held_out.heads[new], asked, depth),
        )


def _before(each: Seen, back: int) -> NDArray[np.int64]:
    """Which of the states have seen that many events."""
    long_enough: NDArray[np.int64] = np.flatnonzero(each.histories.since_fresh[each.events] >= back - 1)
    return long_enough


def _codes(each: Seen, at: NDArray[np.int64], back: int) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = each.histories.codes[each.events[at] - back + 1, 0].astype(np.int64)
    return codes


def _numbers(own: Seen, held_out: Seen, spec: Spec, depth: Depth) -> Iterator[ToldNumber]:
    commonest = np.argsort(-np.bincount(own.histories.codes[:, 0], minlength=2)[1:], kind="stable")[:_COUNTED] + 1
    facts = [_facts(each, spec, commonest) for each in (own, held_out)]
    for name, known in facts[0].items():
        asked = facts[1][name]
        old, new = (np.flatnonzero(~np.isnan(each)) for each in (known, asked))
        if min(len(old), len(new)) < FEWEST or np.ptp(known[old]) == 0 or np.ptp(asked[new]) == 0:
            continue
        yield ToldNumber(
            name=name,
            states=len(new),
            share=_explained(own.states[old], known[old], held_out.states[new], asked[new], depth),
            from_answers=_explained(own.heads[old], known[old], held_out.heads[new], asked[new], depth),
        )


def _facts(each: Seen, spec: Spec, commonest: NDArray[np.int64]) -> dict[str, NDArray[np.floating]]:
    """What is asked of each state, as signed logarithms `(n,)`; NaN where there is nothing to tell."""
    histories, events = each.histories, each.events
    since = histories.since_fresh[events]
    facts: dict[str, NDArray[np.floating]] = {}
    if spec.clock is not None:
        gaps = histories.times[events] - histories.times[events - 1]
        facts["the time since the event before"] = np.where(since > 0, gaps, np.nan)
        facts["the time since the first event"] = histories.times[events] - histories.times[events - since]
    for name in [*(number.name for number in spec.numbers), *([spec.steps.name] if spec.steps else [])]:
        values = histories.fields[name].astype(np.float64)
        facts[f"{name} of the last event"] = values[events]
        facts[f"{name} of the event before"] = np.where(since > 0, values[events - 1], np.nan)
    facts["the number of events"] = since + 1.0
    if len(spec.event.vocabulary) > 1:
        for code in commonest:
            sums = np.cumsum(histories.codes[:, 0] == code)
            before = np.append(0, sums)[events - since]
            facts[f"how often {spec.event.vocabulary[code - 1]}"] = (sums[events] - before).astype(np.float64)
    return {name: np.sign(values) * np.log1p(np.abs(values)) for name, values in facts.items()}


def _hits(own: Floats, known: NDArray[np.int64], others: Floats, asked: NDArray[np.int64], depth: Depth) -> float:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import RidgeClassifier

    trees = ExtraTreesClassifier(depth.trees, min_samples_leaf=2, random_state=0, n_jobs=1)
    guess = DummyClassifier(strategy="most_frequent")
    return float((_strongest([guess, RidgeClassifier(10.0), trees], own, known).predict(others) == asked).mean())


def _explained(
    own: Floats, known: NDArray[np.floating], others: Floats, asked: NDArray[np.floating], depth: Depth
) -> float:
    """The share of the variance that is explained; 0 for an attacker who does worse than the mean."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import Ridge

    trees = ExtraTreesRegressor(depth.trees, max_features=0.3, min_samples_leaf=2, random_state=0, n_jobs=1)
    return max(0.0, float(_strongest([Ridge(10.0), trees], own, known).score(others, asked)))


def _strongest(attackers: Sequence[Any], own: Floats, known: NDArray[Any]) -> Any:
    """The attacker who does best on a third of the attacker's own states, fitted on all of them.

    Attackers behind one who misses next to nothing aren't tried.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.random.default_rng(0).permutation(len(own))
    first, rest = np.split(order, [2 * len(own) // 3])
    best = (-np.inf, attackers[0])
    for each in attackers:
        attacker = make_pipeline(StandardScaler(), each).fit(own[first], known[first])
        score = attacker.score(own[rest], known[rest])
        if score > best[0]:
            best = (score, attacker)
        if score > _ENOUGH:
            break
    return best[1].fit(own, known)
