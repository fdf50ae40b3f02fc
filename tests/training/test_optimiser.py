"""What the optimiser does to weights beside following gradients."""

import numpy as np
import pytest

from nearsight_training.config import Fitting
from nearsight_training.fit import optimiser
from nearsight_training.tensorflow import tf


@pytest.mark.parametrize(("decay", "left"), [(0.0, 1.0), (0.5, 0.95)])
def test_weights_decay_and_biases_do_not(decay, left):
    kernel, bias = (tf.Variable(np.full((2, 3), 4.0, np.float32), name=name) for name in ("kernel", "bias"))
    found = optimiser(Fitting(learning_rate=0.1, weight_decay=decay), 1_000_000)
    found.build([kernel, bias])
    found.apply_gradients([(tf.zeros_like(each), each) for each in (kernel, bias)])
    assert kernel.numpy() == pytest.approx(4.0 * left)
    assert bias.numpy() == pytest.approx(4.0)
