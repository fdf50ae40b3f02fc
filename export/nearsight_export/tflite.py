"""TensorFlow functions into TFLite files at the precisions that nearsight ships."""

from collections.abc import Mapping, Sequence
from typing import Any

from nearsight_export.errors import ConversionError
from nearsight_export.flatbuffer import foreign_operators, tidied
from nearsight_export.narrowing import narrowed
from nearsight_export.static_range import ranged
from nearsight_export.tracing import Traced
from nearsight_training.tensorflow import tf

__all__ = ["Samples", "converted"]

_NARROW = {"int4": 4}  # bits of the weights that products have, where the converter makes none of these

Samples = Sequence[Mapping[str, Any]]  # the graph's inputs by name, any number of times


def converted(graph: Traced, precision: str, samples: Samples = ()) -> bytes:
    """Convert a graph to `precision`, with its border tensors named as its signature is and built-in operators only.

    For "int8-full" and "int16x8", `samples` calibrate the ranges of activations. Raises `ConversionError` where the
    result holds an operator that isn't built in.
    """
    if precision in _NARROW:
        content = tidied(narrowed(_made(graph, "int8"), _made(graph, "fp32"), _NARROW[precision]))
    elif precision == "int8-full":
        content = tidied(ranged(_made(graph, "int8"), tidied(_made(graph, "fp32")), samples))
    else:
        content = tidied(_made(graph, precision, samples))
    foreign = foreign_operators(content)
    if foreign:
        raise ConversionError(f"the graph needs operators that no built-in kernel runs: {', '.join(foreign)}")
    return content


def _made(graph: Traced, precision: str, samples: Samples = ()) -> bytes:
    """What TensorFlow's converter makes."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.function], graph.owner)
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        # tflite-runtime 2.14 doesn't know the operator version that per-channel dense weights need.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int16x8":
        converter.representative_dataset = lambda: iter(samples)
        sixteen = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [sixteen]
    return bytes(converter.convert())
