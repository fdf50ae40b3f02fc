"""A store of made-up users for a made-up model, and the files that it leaves."""

import made_up
import nearsight
from nearsight.backends.reference import load as numpy_backend
from nearsight.insight import Insight
from nearsight.session import Model

KEY = bytes(range(32))
START = 1.7e9
PRICE = {"price": 19.9, "device": "phone", "colour": "red"}


def insight(seed=0, beside=False):
    made = made_up.bundle(seed=seed)
    made = made_up.beside(made) if beside else made
    return Insight(made.manifest, Model(numpy_backend(made.members["step.npz"], made.manifest.trunk), made.manifest))


def opened(path, model=None, **options):
    """A store in `path`, which is a folder, under a key of the app's that no thread writes for before the test does."""
    options = {"key": KEY, "flush_seconds": 3600.0, **options}
    return nearsight.open(model or insight(), path / "state.db", **options)


def raw(path):
    """Every byte of every file of a store in that folder."""
    return b"".join(file.read_bytes() for file in sorted(path.iterdir()) if file.is_file())
