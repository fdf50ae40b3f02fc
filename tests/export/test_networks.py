"""Every kind of network in every runtime: its graphs answer as the NumPy step, and its run ends in a bundle."""

import msgspec
import numpy as np
import pytest

import made_up
import nearsight
from nearsight.backends import choose
from nearsight.backends.reference import NumpyBackend
from nearsight_export.config import ExportConfig
from nearsight_export.export import export
from nearsight_export.making import Maker
from nearsight_export.noise import broken
from nearsight_export.passes.magnitude import pruned
from nearsight_export.passes.model import Desk, Model
from nearsight_export.samples import Samples
from nearsight_export.variants import MEMBERS
from nearsight_export.windows import Windows, loaded_window
from nearsight_training.run import load_histories, load_run, load_weights, save_run

KINDS = ("lstm", "cnn", "mlp", "vae", "cnn_lstm of rank 8")
PRECISIONS = ("fp32", "fp16", "int8")
# Float32 sums in another order; 11-bit weights; 8-bit weights against each matrix's largest.
ERRORS = {"fp32": 2e-6, "fp16": 2e-3, "int8": 0.05, "int8-full": 0.05}
LENGTH = 12


def trunk_of(kind):
    spec, heads = made_up.spec(counts=()), made_up.heads()
    name, _, rank = kind.partition(" of rank ")
    plain = made_up.trunk(spec, heads, filters=16, units=20, skip=True)
    return msgspec.structs.replace(plain, kind=name, rank=int(rank or 0))


@pytest.fixture(scope="module", params=KINDS)
def run(request, run_path, tmp_path_factory):
    """The made-up run with such a network of random weights instead of its own."""
    folder, trunk = tmp_path_factory.mktemp(request.param) / "run", trunk_of(request.param)
    weights = made_up.weights(trunk, 4)
    weights["head_kernel"] *= 3
    histories = load_histories(run_path)
    save_run(folder, msgspec.structs.replace(load_run(run_path), trunk=trunk), weights, histories)
    return folder


class Rolled:
    """A network with random weights, 20 histories of 12 rows, and what the reference says after each row."""

    def __init__(self, kind):
        self.trunk = trunk = trunk_of(kind)
        self.weights, rng = made_up.weights(trunk, 2), np.random.default_rng(3)
        self.codes = np.stack([rng.integers(0, n, (20, LENGTH)) for n in trunk.code_sizes], -1).astype(np.int32)
        self.numbers = rng.normal(size=(20, LENGTH, trunk.numbers)).astype(np.float32)
        self.reference = NumpyBackend(self.weights, trunk)
        self.heads, self.embeddings, self.states = self.stream(self.reference)
        self.maker = Maker(trunk, self.weights, LENGTH, self.samples())

    def stream(self, backend):
        """Heads, embeddings and the states that the rows met, `(20, 12, …)` each."""
        state, found = np.zeros((20, self.trunk.state_size), np.float32), []
        for t in range(LENGTH):
            heads, embedding, after = backend.step(self.codes[:, t], self.numbers[:, t], state)
            found.append((heads, embedding, state))
            state = after
        return (np.stack(parts, 1) for parts in zip(*found, strict=True))

    def samples(self):
        def flat(x):
            return x.reshape(-1, x.shape[-1])

        return Samples(
            step_codes=flat(self.codes),
            step_numbers=flat(self.numbers),
            step_states=flat(self.states),
            window_codes=self.codes,
            window_numbers=self.numbers,
            window_lengths=np.arange(20, dtype=np.int32) % LENGTH + 1,
        )


@pytest.fixture(scope="module", params=(*KINDS, "lstm of rank 8"))
def rolled(request):
    return Rolled(request.param)


@pytest.mark.parametrize("artifact", [f"{name}/step.tflite" for name in PRECISIONS] + ["fp32/step.onnx"])
def test_a_step_answers_as_the_reference(rolled, artifact):
    runtime = "litert" if artifact.endswith("tflite") else "onnx"
    backend = choose(runtime, {artifact.split("/")[1]: rolled.maker.make(artifact)}, rolled.trunk)
    heads, embeddings, _ = rolled.stream(backend)
    error = ERRORS[artifact.split("/")[0]]
    assert np.abs(heads - rolled.heads).max() <= error
    assert np.abs(embeddings - rolled.embeddings).max() <= error * (1 + np.abs(rolled.embeddings).max())


@pytest.mark.parametrize("artifact", [f"{name}/window.tflite" for name in PRECISIONS] + ["fp32/window.onnx"])
def test_a_window_answers_as_the_step_at_every_length(rolled, artifact):
    graph = loaded_window(artifact.split("/")[1], rolled.maker.make(artifact))
    for t in range(LENGTH):
        windows = Windows(rolled.codes, rolled.numbers, np.full(20, t + 1, np.int32), np.arange(20))
        assert np.abs(graph.answers(windows) - rolled.heads[:, t]).max() <= ERRORS[artifact.split("/")[0]]


def test_pruning_reaches_its_target_or_says_why_not(run):
    source = load_run(run)
    desk = Desk.of(source, load_histories(run).take(np.arange(0, 240, 10)))
    model, report = pruned(Model(source.trunk, load_weights(run)), desk, 0.5)
    weights = model.weights
    assert {name: array.shape for name, array in weights.items()} == source.trunk.weight_shapes
    named = {name.partition("/")[0] for name in report.tensors}
    assert named | set(report.skipped) == set(weights)
    assert not named & set(report.skipped)
    for name in named:
        assert np.mean(weights[name] == 0) == pytest.approx(0.5, abs=0.01)


def test_a_run_ends_in_a_bundle_that_every_runtime_reads_and_resumes(run, tmp_path):
    out, members = tmp_path / "kind.nsight", (*MEMBERS, "step.npz")
    done = export(run, ExportConfig(variants=("int8",), passes=(), members=members), out)
    assert done.certificate.source_error <= 1e-5
    for artifact in done.certificate.artifacts:
        if artifact.noise is not None:
            kernels = {name for name in load_run(run).trunk.pieces if "_kernel" in name}
            assert kernels - {"spread_kernel"} <= set(artifact.noise.weights)  # that one works in training alone
            assert broken(artifact.noise) == ""
    readings, blob = {}, None
    for runtime in ("numpy", "litert", "onnx"):
        insight = nearsight.load(out, runtime=runtime)
        session = insight.session()
        for turn in range(7):
            session.observe("view", time=1.6e9 + 3600 * turn, price=5.0 * turn, device="phone")
        blob = blob or session.snapshot()
        resumed = insight.session(blob)  # NumPy's, whatever this runtime is
        whole, again = (each.observe("cart", time=1.6e9 + 9e4, price=3.0) for each in (session, resumed))
        assert again["purchase"] == pytest.approx(whole["purchase"], abs=0.05)
        readings[runtime] = whole["purchase"]
    assert max(readings.values()) - min(readings.values()) <= 0.05
