"""Weights under a hash that fits, made to harm: a bomb, a lie about shapes, a pickle, names that lead elsewhere."""

import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from msgspec.structs import replace

import made_up
from nearsight import BundleError
from nearsight.backends.reference import load
from nearsight.heads import calibrated
from nearsight.trunk import Trunk

WHOLE = made_up.bundle()
TRUNK = WHOLE.manifest.trunk
WEIGHTS = calibrated(made_up.weights(TRUNK), WHOLE.manifest.heads)
FIRST = next(iter(WEIGHTS))


def npy(array, **changes):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    content = buffer.getvalue()
    for old, new in changes.values():
        content = content.replace(old, new)
    return content


def zipped(files, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def files(**changes):
    return [(f"{name}.npy", changes.get(name, npy(array))) for name, array in WEIGHTS.items()]


def test_weights_are_read_as_numpy_wrote_them_packed_or_not():
    for content in (made_up.npz(WEIGHTS), zipped(files()), zipped(files(), zipfile.ZIP_DEFLATED)):
        binding = load(content, TRUNK).bind(1)
        binding.run()
        assert np.isfinite(binding.heads).all()


SHAPE = WEIGHTS[FIRST].shape
FAULTS = {
    "a bomb": files(**{FIRST: npy(WEIGHTS[FIRST]) + bytes(300_000_000)}),
    "a name twice": [*files(), files()[0]],
    "another name": [*files(), ("../../evil.npy", npy(WEIGHTS[FIRST]))],
    "a missing one": files()[1:],
    "a shape of its own": files(**{FIRST: npy(WEIGHTS[FIRST].T.copy())}),
    "stored by columns": files(**{FIRST: npy(np.asfortranarray(WEIGHTS[FIRST]))}),
    "doubles": files(**{FIRST: npy(WEIGHTS[FIRST].astype(np.float64))}),
    "a pickle": files(**{FIRST: npy(np.array([print], object))}),
    "a lie": files(**{FIRST: npy(WEIGHTS[FIRST], lie=(str(SHAPE).encode(), b"(99999999999, 9)"))}),
    "a cut": files(**{FIRST: npy(WEIGHTS[FIRST])[:-1]}),
    "nothing": files(**{FIRST: b""}),
    "a long header": files(**{FIRST: npy(WEIGHTS[FIRST], long=(b"}", b"}" + b" " * 50_000))}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_made_to_harm_is_refused_in_little_memory(fault):
    content = zipped(FAULTS[fault], zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=r"step\.npz"):
            load(content, TRUNK)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [{"units": 10**9}, {"filters": 10**7}, {"numbers": 2 * 10**6}])
def test_a_network_that_no_bundle_could_hold_is_refused_before_memory_is_taken(sizes):
    with pytest.raises(ValueError, match="sizes of more than"):
        replace(TRUNK, **sizes)


def test_the_articles_network_is_far_from_that():
    wide = Trunk(
        code_sizes=(1002,), embedding_sizes=(16,), numbers=9, filters=64, units=100, activations=TRUNK.activations
    )
    assert wide.state_size == 2 * 25 + 64 + 1 + 200
