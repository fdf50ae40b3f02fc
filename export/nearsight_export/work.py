"""What a step has to do for one event."""

import msgspec

__all__ = ["Work"]


class Work(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one event takes.

    `computes` and `moves` count the operators that a runtime runs, by whether they compute or only move numbers; of
    ONNX they are those that are left when ONNX Runtime has fused what it can. `multiplications` are the
    multiply-accumulates of matrix products by their arithmetic: "fp32", "int8" (8-bit weights and activations) or
    "int16x8" (16-bit activations). `weight_bytes` are those of constants that are read, by their precision; of a table
    that codes are looked up in, one row. 16-bit floats are unpacked once, when a runtime loads them, and count as they
    are read, in 32 bits. `activation_bytes` are read and written between operators.
    """

    computes: int
    moves: int
    multiplications: dict[str, int]
    weight_bytes: dict[str, int]
    activation_bytes: int

    @property
    def operators(self) -> int:
        """How many operators there are."""
        return self.computes + self.moves
