"""Weight clustering with tfmot: few values for many weights, fine-tuned, so that a bundle packs into fewer bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearsight_export.errors import ClusteringError
from nearsight_export.passes.kernels import LARGE, kernels, spared, spoken
from nearsight_export.passes.model import Desk, Model
from nearsight_export.passes.tuning import Lesson
from nearsight_export.reports import PassReport, Tensor
from nearsight_training.layers import SteppedLSTM
from nearsight_training.network import PairedLSTM, canonical
from nearsight_training.progress import SILENT, Progress
from nearsight_training.tensorflow import tf_keras

# isort: split
# After TensorFlow, whose environment it needs.
from tensorflow_model_optimization.clustering import keras as clustering_tools

__all__ = ["clustered"]


def clustered(model: Model, desk: Desk, clusters: int, progress: Progress = SILENT) -> tuple[Model, PassReport]:
    """Let the weights of each large tensor share `clusters` values, which are then fine-tuned (Han et al. 2016).

    Weights that are zero stay zero, and zero is one of the values then. Raises `ClusteringError` where the stripped
    weights have more values, or fewer zeros than before.
    """
    lesson, graph = Lesson(desk, "Clustering"), _clusterable(model, desk, clusters)
    apart = lesson.given(model.graph(train_embeddings=desk.trained), graph, progress)
    found = Model(model.trunk, canonical(clustering_tools.strip_clustering(graph)))
    before, after = (kernels(each.trunk, each.weights) for each in (model, found))
    for name, array in after.items():
        _check(name, before[name], array, clusters)
    progress.finish(f"{clusters} values for the large weights")
    return found, PassReport(
        name="weight_clustering",
        said=f"the weights of {spoken(after)} share {clusters} values in each tensor",
        tensors={name: Tensor.of(array) for name, array in after.items()},
        skipped=spared(model.trunk),
        steps=lesson.steps,
        validation_difference=apart,
    )


class _ClusterablePairedLSTM(PairedLSTM, clustering_tools.ClusterableLayer):  # type: ignore[misc]
    """Tells tfmot, which knows Keras's own layers, what to cluster of ours."""

    def get_clusterable_weights(self) -> list[tuple[str, Any]]:
        """Names of attributes and the variables that they hold."""
        return [(name, getattr(self, name)) for name in self.kernels]


class _ClusterableSteppedLSTM(SteppedLSTM, _ClusterablePairedLSTM):
    pass


def _clusterable(model: Model, desk: Desk, clusters: int) -> Any:
    """The train graph with its large layers wrapped; centroids are found in the weights that these hold already."""

    def wrapped(layer: Any) -> Any:
        if layer.name not in LARGE:
            return layer
        zeros = any((array == 0).any() for array in layer.get_weights() if array.ndim > 1)
        if isinstance(layer, PairedLSTM):
            layer = _known(layer)
        return clustering_tools.cluster_weights(layer, clusters, preserve_sparsity=zeros)

    return tf_keras.models.clone_model(model.graph(train_embeddings=desk.trained), clone_function=wrapped)


def _known(layer: Any) -> Any:
    """An LSTM of ours as tfmot wants it."""
    kind = _ClusterableSteppedLSTM if isinstance(layer, SteppedLSTM) else _ClusterablePairedLSTM
    copy = kind.from_config(layer.get_config())
    copy.build(layer.input_shape)
    copy.set_weights(layer.get_weights())
    return copy


def _check(name: str, before: NDArray[np.float32], after: NDArray[np.float32], clusters: int) -> None:
    values = len(np.unique(after))
    if values > clusters:
        raise ClusteringError(f"{name} has {values} values where {clusters} were asked for: report this")
    if (after[before == 0] != 0).any():
        raise ClusteringError(f"{name} lost zeros that were pruned before: cluster ahead of pruning")
