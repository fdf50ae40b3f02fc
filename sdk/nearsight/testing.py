"""A model that answers what a test tells it to, so that an app's tests need neither a bundle nor a runtime."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nearsight.backends.backend import Backend, Step, bound
from nearsight.heads import BinaryHead, activations
from nearsight.insight import Insight
from nearsight.manifest import Manifest
from nearsight.session import Model
from nearsight.spec import Category, Clock, Number, Spec
from nearsight.trunk import Trunk

__all__ = ["scripted"]

Floats = NDArray[np.float32]
_DURATION = Number(name="duration", low=0.0, high=1e9, log=True)


def scripted(answers: Sequence[Mapping[str, float]]) -> Insight:
    """An `Insight` whose sessions read `answers[0]` after one event, `answers[1]` after two, and then the last one.

    Each answer maps the same names to probabilities. Any event and any field is accepted. Raises `ValueError` where
    there is no answer or two answers have different names.

    >>> session = scripted([{"purchase": 0.2}, {"purchase": 0.9}]).session()
    >>> session.observe("view", time=0.0)["purchase"] < session.observe("cart", time=9.0)["purchase"]
    True
    """
    names = list(answers[0]) if answers else []
    if not names or any(list(answer) != names for answer in answers):
        raise ValueError("every answer must map the same names to probabilities, and at least one answer is needed")
    heads = tuple(BinaryHead(name=name, start=start) for start, name in enumerate(names))
    spec = Spec(event=Category(name="event", vocabulary=()), clock=Clock(gap=_DURATION, age=_DURATION))
    trunk = Trunk(
        code_sizes=spec.code_sizes,
        embedding_sizes=(1,),
        numbers=len(spec.number_names),
        filters=1,
        units=1,
        activations=activations(heads),
    )
    manifest = Manifest(
        name="scripted", model="scripted", created="", spec=spec, trunk=trunk, heads=heads, window=1, members={}
    )
    script = _script(np.array([list(answer.values()) for answer in answers], np.float32))
    return Insight(manifest, Model(Backend("scripted", bound(script, trunk)), manifest))


def _script(answers: Floats) -> Step:
    """A step that answers by the number of events so far, which it keeps in the first place of the state."""

    def step(codes: NDArray[np.int32], _: Floats, state: Floats) -> tuple[Floats, Floats, Floats]:
        turn = np.minimum(state[:, 0].astype(int), len(answers) - 1)
        next_state = state.copy()
        next_state[:, 0] += 1
        return answers[turn], np.zeros((len(codes), 1), np.float32), next_state

    return step
