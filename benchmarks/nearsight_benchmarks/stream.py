"""Invented events that never end, for what needs more of them than any log holds."""

import numpy as np

from nearsight.spec import Spec

__all__ = ["START", "Event", "Stream"]

START = 1_700_000_000.0
Event = tuple[str, float, dict[str, object]]
_DIFFERENT = 1024  # a power of two


class Stream:
    """Events drawn from a specification's vocabulary and bounds, a second apart; the same ones for a seed."""

    def __init__(self, spec: Spec, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._names = rng.choice(spec.event.vocabulary, _DIFFERENT).tolist()
        columns = {each.name: rng.choice(each.vocabulary or ("",), _DIFFERENT).tolist() for each in spec.categories}
        columns |= {each.name: rng.uniform(each.low, each.high, _DIFFERENT).tolist() for each in spec.numbers}
        columns |= {each.name: rng.choice(each.edges, _DIFFERENT).tolist() for each in spec.groups}
        if spec.steps:
            columns[spec.steps.name] = rng.uniform(min(spec.steps.lows), max(spec.steps.highs), _DIFFERENT).tolist()
        self._fields = [{name: column[place] for name, column in columns.items()} for place in range(_DIFFERENT)]

    def event(self, number: int) -> Event:
        """The event with that number: name, time and fields."""
        place = number & (_DIFFERENT - 1)
        return self._names[place], START + number, self._fields[place]
