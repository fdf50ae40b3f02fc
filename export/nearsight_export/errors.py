"""What the export room raises besides `nearsight.errors.InputError`.

NearsightError
├── CertificateError    an artifact doesn't equal its source within its bound
├── ClusteringError     weights don't share the values that they should
├── ConversionError     a converter refused a graph or died over it
└── SparsityError       pruning didn't reach the sparsity that was asked for
"""

from nearsight.errors import NearsightError

__all__ = ["CertificateError", "ClusteringError", "ConversionError", "SparsityError"]


class CertificateError(NearsightError):
    """An artifact doesn't equal its source within its bound: nothing is written."""


class ClusteringError(NearsightError):
    """Weights don't share the values that clustering should have given them."""


class ConversionError(NearsightError):
    """A converter refused a graph or died over it."""


class SparsityError(NearsightError):
    """Pruning didn't reach the sparsity that was asked for."""
