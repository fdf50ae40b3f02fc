"""Which of a network's outputs are yes/no questions, which numbers, and which say what comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nearsight.heads import BinaryHead, Head, NextEventHead
from nearsight_training.tensorflow import tf

__all__ = ["Outputs"]


@dataclass(frozen=True)
class Outputs:
    """Outputs by their kind, in the order in which heads lie."""

    yes: slice
    numbers: slice
    ahead: tuple[slice, ...]

    @classmethod
    def of(cls, heads: Sequence[Head]) -> "Outputs":
        """Those of the heads."""
        first = sum(isinstance(head, BinaryHead) for head in heads)
        last = sum(head.size for head in heads if not isinstance(head, NextEventHead))
        ahead = (slice(head.start, head.start + head.size) for head in heads if isinstance(head, NextEventHead))
        return cls(slice(0, first), slice(first, last), tuple(ahead))

    def chances(self, logits: Any) -> Any:
        """Uncalibrated probabilities, and numbers in standard deviations, of logits `(…, O)`."""
        parts = [tf.sigmoid(logits[..., self.yes]), logits[..., self.numbers]]
        return tf.concat([*parts, *(tf.nn.softmax(logits[..., part]) for part in self.ahead)], -1)
