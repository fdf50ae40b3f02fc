"""The only way in to TensorFlow: the environment that it needs is set here, and its start-up noise is kept back.

tensorflow-model-optimization works on tf_keras alone, so `tf.keras` must be tf_keras before TensorFlow is imported.
Its C++ side writes to the process's standard error before any logger is set up; those lines are held back during
the import and shown where the import fails.
"""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["tf", "tf_keras"]

_ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    "ABSL_MIN_LOG_LEVEL": "3",
}


@contextmanager
def _quiet_start() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


os.environ.update(_ENVIRONMENT)
with _quiet_start(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow as tf
    import tf_keras

    tf.get_logger().setLevel(logging.ERROR)
    tf.constant(0.0)  # the runtime's own start, which logs as well
