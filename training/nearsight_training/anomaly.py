"""How strange the events of known histories are to a variational autoencoder: the scale of its anomaly score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight_training.histories import Histories
from nearsight_training.network import takes_asks
from nearsight_training.sequences import batches, crops
from nearsight_training.tensorflow import tf

__all__ = ["anomalies", "scale_in_words"]

_BATCH_EVENTS = 16384


def anomalies(model: Any, histories: Histories) -> NDArray[np.float32]:
    """The anomaly score of each event `(E,)`, from the train graph of a `vae` over whole histories."""
    scores = np.zeros(len(histories.codes), np.float32)
    run = tf.function(lambda codes, numbers: model([codes, numbers])[1][..., -1], reduce_retracing=True)
    unasked = np.full(len(scores), -1, np.int64) if takes_asks(model) else None
    for batch in batches(histories, crops(histories, int(histories.lengths.max())), _BATCH_EVENTS, unasked):
        there = batch.events >= 0
        scores[batch.events[there]] = run(batch.codes, batch.numbers).numpy()[:, : there.shape[1]][there]
    return scores


def scale_in_words(scores: NDArray[np.float32]) -> str:
    """What an app compares a score with, in a sentence."""
    half, most = np.quantile(scores, (0.5, 0.99))
    return f"anomaly: half of validation's events score below {half:.3g}, 99 of 100 below {most:.3g}"
