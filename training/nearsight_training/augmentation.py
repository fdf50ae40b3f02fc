"""Training histories as they might have been: some events missing, times a little earlier or later, anew each epoch.

What the clock says of an event, and what was counted until it, is computed again from the events that are left, as a
device would that never saw the others; hour and weekday stay the event's own. Labels stay as the full log gave them:
that a next event was dropped from what the network reads doesn't mean that it didn't happen.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nearsight.cursor import latest_times, segment_starts
from nearsight.features import Encoder
from nearsight.spec import Spec
from nearsight_training.config import Augmentation
from nearsight_training.counts import recounted
from nearsight_training.histories import Histories

__all__ = ["Augmenter"]


class Augmenter:
    """Makes other versions of histories that `spec`, which needs a clock, encoded."""

    def __init__(self, spec: Spec, config: Augmentation) -> None:
        self.spec, self.config = spec, config
        self._encoder = Encoder(spec)

    def __call__(self, histories: Histories, generator: np.random.Generator) -> Histories:
        """A version of `histories`: each keeps at least one event, and a question that follows none of them goes."""
        kept = self._kept(histories, generator)
        times, asked = self._moved(histories, generator)
        return self._left(histories, kept, times, asked)

    def _kept(self, histories: Histories, generator: np.random.Generator) -> NDArray[np.bool_]:
        kept = generator.random(len(histories.codes)) >= self.config.event_dropout
        if len(histories):
            gone = ~np.logical_or.reduceat(kept, histories.starts)
            kept[histories.starts[gone]] = True
        return kept

    def _moved(
        self, histories: Histories, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times of events and questions, every gap and silence longer or shorter by a factor of its own."""
        events = latest_times(histories.times, histories.starts, histories.lengths)
        if not self.config.time_jitter:
            return events, histories.ask_time
        gaps = np.diff(events, prepend=0.0)
        gaps[histories.starts] = 0.0
        silence = histories.ask_time - events[histories.ask_events]
        sums = np.cumsum(gaps * self._factors(len(gaps), generator))
        first = np.repeat(histories.starts, histories.lengths)
        moved = events[first] + sums - sums[first]
        return moved, moved[histories.ask_events] + silence * self._factors(len(silence), generator)

    def _factors(self, size: int, generator: np.random.Generator) -> NDArray[np.float64]:
        return 1 + self.config.time_jitter * generator.uniform(-1, 1, size)

    def _left(
        self,
        histories: Histories,
        kept: NDArray[np.bool_],
        times: NDArray[np.float64],
        asked: NDArray[np.float64],
    ) -> Histories:
        """The histories of the `kept` events at `times` (E,), with the questions at `asked` (Q,)."""
        before = np.concatenate([[0], np.cumsum(kept)])
        starts = before[histories.starts]
        after = before[histories.ask_events + 1] - starts[histories.ask_history]
        stay = after > 0
        times, last = times[kept], (starts[histories.ask_history] + after - 1)[stay]
        begins = segment_starts(self.spec.reset, times, starts, len(times))
        fresh = np.isin(np.arange(len(times)), begins)
        left = replace(
            histories,
            codes=histories.codes[kept],
            numbers=self._clocked(histories.numbers[kept], *_since(times, begins), fresh),
            starts=starts,
            fresh=fresh,
            times=times,
            names=histories.names[kept],
            labels=histories.labels[kept],
            values=histories.values[kept],
            next_codes=histories.next_codes[kept],
            ask_history=histories.ask_history[stay],
            ask_after=after[stay],
            ask_time=asked[stay],
            ask_codes=histories.ask_codes[stay],
            ask_numbers=self._clocked(
                histories.ask_numbers[stay],
                asked[stay] - times[last],
                asked[stay] - times[begins[np.searchsorted(begins, last, "right") - 1]],
            ),
            ask_labels=histories.ask_labels[stay],
            ask_values=histories.ask_values[stay],
            fields={name: values[kept] for name, values in histories.fields.items()},
        )
        return recounted(left, self.spec)

    def _clocked(
        self,
        numbers: NDArray[np.float32],
        gaps: NDArray[np.float64],
        ages: NDArray[np.float64],
        first: NDArray[np.bool_] | bool = False,
    ) -> NDArray[np.float32]:
        """The same rows with another gap and age."""
        clocked = numbers.copy()
        moment = slice(len(self.spec.moment_names))
        clocked[:, moment] = self._encoder.now_columns(gaps, ages, (), first)[1][:, moment]
        return clocked


def _since(times: NDArray[np.float64], begins: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds since each event's last one and since its history began, both 0 at a beginning."""
    gaps = np.diff(times, prepend=0.0)
    gaps[begins] = 0.0
    return gaps, times - np.repeat(times[begins], np.diff(begins, append=len(times)))
