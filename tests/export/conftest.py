"""A small model with random weights, histories that are labelled as it expects, its run, and every artifact of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

import made_up
from nearsight.backends.reference import NumpyBackend
from nearsight.features import Encoder
from nearsight.heads import BinaryHead, calibrated
from nearsight.manifest import Manifest, model_id
from nearsight_export.conversion import Job, convert, prepare
from nearsight_export.exam import Exam
from nearsight_export.passes.model import Desk, Model
from nearsight_export.replay import replayed
from nearsight_export.samples import collected
from nearsight_export.source import SourceModel, trained_answers
from nearsight_export.variants import FUSED, USUAL, VARIANTS, artifacts
from nearsight_export.vectors import invented
from nearsight_training.config import Fitting, LogConfig, Size, Target
from nearsight_training.histories import Histories
from nearsight_training.run import Run, Source, load_histories, load_run, load_weights, save_run

WINDOW, USERS = 12, 240
SPEC, HEADS = made_up.spec(counts=()), made_up.heads()
TRUNK = made_up.trunk(SPEC, HEADS, filters=16, units=24)
WEIGHTS = made_up.weights(TRUNK, seed=4)
WEIGHTS["head_kernel"] *= 10  # so that its answers differ as much as a trained model's
EVERYTHING = (*artifacts(tuple(VARIANTS)), *(f"{variant}/{FUSED}" for variant in ("fp32", "int8")))


def lived(seed, users=USERS):
    """Histories of 1 to 39 events with one question each and no labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 40, users)
    starts, size = np.cumsum(lengths) - lengths, int(lengths.sum())
    names = rng.choice(np.array([*made_up.EVENTS, "never seen"]), size, p=[0.5, 0.25, 0.2, 0.05])
    times = 1.6e9 + np.cumsum(np.exp(rng.normal(9, 2, size)))
    fields = {
        "device": rng.choice(np.array(["phone", "desktop", "fridge"]), size),
        "price": np.where(rng.random(size) < 0.2, np.nan, np.exp(rng.normal(2.5, 1, size))),
        "balance": rng.normal(1, 4, size),
        "age": np.where(rng.random(size) < 0.1, np.nan, rng.integers(10, 90, size)),
    }
    encoder = Encoder(SPEC)
    given = {**fields, "device": fields["device"].tolist()}
    codes, numbers = encoder.columns(names.tolist(), times, given, starts)
    after = rng.integers(1, lengths + 1)
    last = starts + after - 1
    asked = times[last] + np.exp(rng.normal(12, 1, users))
    ask_codes, ask_numbers = encoder.now_columns(asked - times[last], asked - times[starts], ())
    following = np.append(codes[1:, 0], -1)
    following[np.append(starts[1:], size) - 1] = -1
    return Histories(
        codes=codes,
        numbers=numbers,
        starts=starts,
        split=(np.arange(users) % 3).astype(np.int8),
        fresh=np.isin(np.arange(size), starts),
        times=times,
        names=names,
        labels=np.full((size, 2), -1, np.int8),
        next_codes=np.stack([np.where(following > len(made_up.EVENTS), 0, following), np.full(size, -1)], 1).astype(
            np.int32
        ),
        ask_history=np.arange(users),
        ask_after=after,
        ask_time=asked,
        ask_codes=ask_codes,
        ask_numbers=ask_numbers,
        ask_labels=np.full((users, 2), -1, np.int8),
        values=np.zeros((size, 0), np.float32),
        ask_values=np.zeros((users, 0), np.float32),
        fields=fields,
    )


def labelled(histories, seed):
    """Label two thirds of the events as often yes as the model says, so that it is well calibrated and tells apart."""
    backend, rng = NumpyBackend(calibrated(WEIGHTS, HEADS), TRUNK), np.random.default_rng(seed)
    replay = replayed(backend, TRUNK, histories)
    for labels, chances in ((histories.labels, replay.heads), (histories.ask_labels, replay.asked)):
        drawn = (rng.random(labels.shape) < chances[:, :2]).astype(np.int8)
        labels[:] = np.where(rng.random(labels.shape) < 2 / 3, drawn, -1)
    return histories


@pytest.fixture(scope="session")
def run_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "run"
    run = Run(
        name="made-up",
        created=datetime(2026, 11, 24, tzinfo=UTC).isoformat(),
        config=LogConfig(
            targets=tuple(
                Target(name=head.name, events=head.events, within_seconds=head.within_seconds)
                for head in HEADS
                if isinstance(head, BinaryHead)
            ),
            window=WINDOW,
            size=Size(filters=16, units=24),
            fitting=Fitting(batch_events=256),
        ),
        source=Source(name="made-up.csv", sha256="0" * 64, rows=1, users=USERS),
        spec=SPEC,
        trunk=TRUNK,
        heads=HEADS,
        window=WINDOW,
        data={"users": USERS},
    )
    save_run(path, run, WEIGHTS, labelled(lived(1), 4))
    return path


@pytest.fixture(scope="session")
def model(run_path):
    """The run's network, uncalibrated; passes leave it as it is."""
    return Model(load_run(run_path).trunk, load_weights(run_path))


@pytest.fixture(scope="session")
def desk(run_path):
    """What passes may learn from."""
    return Desk.of(load_run(run_path), load_histories(run_path))


@dataclass(frozen=True)
class Made:
    """A model with its calibration folded in, what is known of it, and its artifacts by name."""

    run: Run
    weights: dict
    exam: Exam
    manifest: Manifest
    vectors: object
    trained: np.ndarray
    files: dict

    @property
    def files_of_variants(self):
        """Those that hold without a pass."""
        return {name: self.files[name] for name in artifacts(USUAL)}


@pytest.fixture(scope="session")
def made(run_path, tmp_path_factory):
    run, weights, histories = load_run(run_path), load_weights(run_path), load_histories(run_path)
    folded, folder = calibrated(weights, run.heads), tmp_path_factory.mktemp("job")
    samples = collected(run.trunk, folded, run.window, histories.select(1), 1)
    prepare(folder, Job(trunk=run.trunk, window=run.window, artifacts=EVERYTHING), folded, samples)
    assert convert(folder) == {}
    manifest = Manifest(
        name=run.name,
        model=model_id(folded),
        created=run.created,
        spec=run.spec,
        trunk=run.trunk,
        heads=run.heads,
        window=run.window,
        members={},
    )
    exam = Exam(
        trunk=run.trunk,
        heads=run.heads,
        weights=folded,
        histories=histories.select(2),
        window=run.window,
        cutoff=None,
        seed=1,
    )
    return Made(
        run=run,
        weights=folded,
        exam=exam,
        manifest=manifest,
        vectors=invented(manifest, folded, 1),
        trained=trained_answers(SourceModel(run, weights), exam.histories),
        files={name: (folder / name).read_bytes() for name in EVERYTHING},
    )
