"""Customer insight that stays on the customer's device: load a bundle, observe events, read the answers."""

from nearsight._version import __version__

__all__ = ["__version__"]
