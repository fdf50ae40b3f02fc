"""What the export room raises besides `nearsight.errors.InputError`.

NearsightError
├── CertificateError    an artifact doesn't equal its source within its bound
├── ClusteringError     weights don't share the values that they should
├── ConversionError     a converter refused a graph or died over it
└── SparsityError       pruning didn't reach the sparsity that was asked for

`LateError` and `UnpromisingError` end a search's trial and never reach a caller.
"""

from nearsight.errors import NearsightError

__all__ = ["CertificateError", "ClusteringError", "ConversionError", "LateError", "SparsityError", "UnpromisingError"]


class CertificateError(NearsightError):
    """An artifact doesn't equal its source within its bound: nothing is written."""


class ClusteringError(NearsightError):
    """Weights don't share the values that clustering should have given them."""


class ConversionError(NearsightError):
    """A converter refused a graph or died over it."""


class SparsityError(NearsightError):
    """Pruning didn't reach the sparsity that was asked for."""


class UnpromisingError(Exception):
    """A trial is behind most of those that are no larger."""


class LateError(Exception):
    """The time is over."""
