"""The variants that an export makes: which graphs each holds, and at which precision."""

__all__ = ["CALIBRATED", "FUSED", "MEMBERS", "PRECISIONS", "USUAL", "VARIANTS", "artifacts", "source"]

PRECISIONS = {
    "fp32": "32-bit floats throughout",
    "fp16": "weights as 16-bit floats, arithmetic in 32 bits",
    "int8": "8-bit weights, activations quantised as they come (dynamic range)",
    "int8-full": "8-bit weights and activations, whose ranges are fixed ahead; memory and answers stay floats",
    "int16x8": "8-bit weights, 16-bit activations and state, integers throughout",
    "int4": "4-bit weights of the matrix products, activations quantised as they come; LiteRT alone runs it",
}
FUSED = "window_fused.tflite"  # TFLite's own LSTM operator: a peer for benchmarks, in no bundle
MEMBERS = ("step.tflite", "window.tflite", "step.onnx", "window.onnx")
VARIANTS = {
    "fp32": MEMBERS,
    "fp16": MEMBERS[:2],
    "int8": MEMBERS,
    "int8-full": MEMBERS[:1],
    "int16x8": MEMBERS[:2],
    "int4": MEMBERS[:1],
}
# What is made unasked: integers throughout take a minute to convert, and int4 wants a pass of its own.
USUAL = ("fp32", "fp16", "int8", "int8-full")
CALIBRATED = ("int8-full", "int16x8")  # those whose ranges are measured ahead


def artifacts(variants: tuple[str, ...]) -> tuple[str, ...]:
    """The artifacts of `variants` as `VARIANT/MEMBER`, in the order in which they are made."""
    return tuple(f"{variant}/{member}" for variant in variants for member in VARIANTS[variant])


def source(variant: str, member: str) -> str:
    """The variant whose graph a bundle of `variant` carries as `member`, since some are made at few precisions."""
    if member in VARIANTS[variant]:
        return variant
    return "fp32" if variant == "fp16" else "int8"
