"""A student is told the mean of its teachers, by nobody who knows its answers by heart, and comes near to it."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

import made_up
from export.conftest import HEADS, WEIGHTS
from nearsight.bundle import read_bundle
from nearsight.errors import InputError
from nearsight_export.config import ExportConfig
from nearsight_export.export import export
from nearsight_export.passes import distillation
from nearsight_export.passes.distillation import distilled
from nearsight_export.passes.model import Model
from nearsight_export.recipe import Distillation, MagnitudePruning, Recipe, read_recipe
from nearsight_export.tflite import converted
from nearsight_export.tracing import step_function
from nearsight_training import teaching
from nearsight_training.answers import answers
from nearsight_training.config import Fitting
from nearsight_training.fit import BatchLoss
from nearsight_training.learning import learn, trunk_of
from nearsight_training.network import canonical
from nearsight_training.preparation import Prepared
from nearsight_training.run import load_histories, load_run, load_weights, save_run
from nearsight_training.sequences import batches, crops, rounds
from nearsight_training.teachers import Said, SoftLoss, Teachers
from nearsight_training.tensorflow import tf

YES = sum(head.size == 1 for head in HEADS)
LARGE = Distillation(teacher="network", filters=16, units=24, epochs=60)
SMALL = Distillation(teacher="network", network="lstm", units=5, largest_embedding=2, epochs=1)


@pytest.fixture(scope="module")
def small(model, desk):
    return distilled(model, desk, SMALL)


def whole(histories):
    """Histories that aren't cut, with a question beside each event that has one."""
    return batches(histories, crops(histories, 64), 4096, next(rounds(histories)))


def chances(logits):
    """Two questions and what comes next, as NumPy has them."""
    powers = np.exp(logits[:, YES:] - logits[:, YES:].max(1, keepdims=True))
    return np.concatenate([1 / (1 + np.exp(-logits[:, :YES])), powers / powers.sum(1, keepdims=True)], 1)


def test_the_lesson_is_the_mean_of_both_teachers_after_every_event_and_to_every_question(model, desk):
    rng, histories = np.random.default_rng(3), desk.training
    said = [rng.random((len(codes), YES)).astype(np.float32) for codes in (histories.codes, histories.ask_codes)]
    for each in said:
        each[rng.random(each.shape) < 0.3] = np.nan
    given = answers(model.graph(), histories)
    expected = [chances(given.events), chances(given.asks)]
    for mean, trees in zip(expected, said, strict=True):
        mean[:, :YES] = np.where(np.isnan(trees), mean[:, :YES], (mean[:, :YES] + trees) / 2)
    teachers, seen = Teachers([model.graph()], HEADS, Said(*said)), [0, 0]
    for batch in whole(histories):
        parts = np.split(teachers.answers(batch), 2, axis=1)
        for kind, (part, places) in enumerate(zip(parts, (batch.events, batch.asks), strict=True)):
            inside = places >= 0
            assert part[inside] == pytest.approx(expected[kind][places[inside]], abs=1e-5)
            seen[kind] += int(inside.sum())
    assert seen == [len(histories.codes), len(histories.ask_codes)]


def test_several_networks_teach_their_mean(model, desk):
    other = Model(model.trunk, {**WEIGHTS, "head_bias": WEIGHTS["head_bias"] + 1})
    batch = next(whole(desk.validation))
    one, two, both = (
        Teachers([m.graph() for m in x], HEADS).answers(batch) for x in ([model], [other], [model, other])
    )
    assert both == pytest.approx((one + two) / 2, abs=1e-6)


def test_certain_answers_cost_what_labels_cost(desk):
    """Cross-entropy against 0 and 1 is training's own loss, questions' and kinds' weights among it."""
    histories, rng, fitting = desk.training, np.random.default_rng(5), Fitting(ask_weight=0.4, next_weight=0.7)
    histories = replace(
        histories,
        labels=rng.integers(0, 2, histories.labels.shape).astype(np.int8),
        ask_labels=rng.integers(0, 2, histories.ask_labels.shape).astype(np.int8),
        next_codes=np.stack([rng.integers(1, HEADS[-1].size + 1, len(histories.codes))] * 2, 1).astype(np.int32),
    )
    batch, labelled = next(whole(histories)), BatchLoss(HEADS, fitting)
    logits = rng.normal(size=(*batch.labels.shape[:2], YES + HEADS[-1].size)).astype(np.float32)
    certain = np.concatenate([np.maximum(batch.labels, 0), np.zeros_like(logits[..., YES:])], -1).astype(np.float32)
    certain[:, : batch.events.shape[1], YES:] = np.eye(HEADS[-1].size)[np.maximum(batch.next_codes[..., 0] - 1, 0)]

    class Certain:
        def answers(self, batch):
            return certain

    soft = SoftLoss(Certain(), HEADS, fitting)
    found, expected = (loss(tf.constant(logits), *loss.targets(batch)) for loss in (soft, labelled))
    assert [float(x) for x in found] == pytest.approx([float(x) for x in expected], rel=1e-5)


class Memoriser:
    """Knows the answer to each question that it was told, and of others nothing."""

    def __init__(self, known):
        self.known = {row.tobytes(): answer for row, answer in zip(known.features, known.answers, strict=True)}

    @classmethod
    def fit(cls, known, checked, count, *, seed):
        return cls(known)

    def scores(self, features):
        return np.array([self.known.get(row.tobytes(), 0.5) for row in features])


def test_trees_never_saw_the_user_of_whom_they_speak(model, desk, monkeypatch):
    monkeypatch.setattr(teaching, "BoostedTrees", Memoriser)
    monkeypatch.setattr(teaching, "_CLOSE", 1.0)
    told, names = distillation.trees_say(model, desk)
    assert names == tuple(head.name for head in HEADS[:YES])
    for said, labels in ((told.events, desk.training.labels), (told.asks, desk.training.ask_labels)):
        assert (said[labels >= 0] == 0.5).all()
        assert np.isnan(said[labels < 0]).all()


def test_trees_that_rank_much_worse_say_nothing(model, desk, monkeypatch):
    monkeypatch.setattr(teaching, "BoostedTrees", Memoriser)
    told, names = distillation.trees_say(model, desk)
    assert names == ()
    assert np.isnan(told.events).all()


def test_a_student_of_its_teachers_size_comes_near(model, desk):
    """Nearer than the mean answer by a third, from 80 users of a network that was drawn and not learned."""
    _, report = distilled(model, desk, LARGE)
    given = answers(model.graph(), desk.validation)
    taught = chances(np.concatenate([given.events, given.asks]))
    assert report.validation_difference < 0.67 * np.abs(taught - taught.mean(0)).mean()


def test_a_student_has_the_sizes_that_were_asked_for_and_is_its_seeds_alone(small, model, desk):
    (student, report), (again, _) = small, distilled(model, desk, SMALL)
    assert (student.trunk.kind, student.trunk.units, max(student.trunk.embedding_sizes)) == ("lstm", 5, 2)
    assert {name: array.shape for name, array in student.weights.items()} == student.trunk.weight_shapes
    assert all(np.array_equal(student.weights[name], again.weights[name]) for name in student.weights)
    assert report.tensors["lstm_kernel"].numbers == student.weights["lstm_kernel"].size


def test_networks_that_teach_together_are_those_that_training_gives_with_other_seeds(desk, run_path, monkeypatch):
    """From trees, too, where the run's own network has learned from them."""
    monkeypatch.setattr(teaching, "_CLOSE", 1.0)
    fitting = structs.replace(desk.run.config.fitting, epochs=1)
    run = structs.replace(desk.run, config=structs.replace(desk.run.config, fitting=fitting), taught=("purchase",))
    trunk, told = trunk_of(run.spec, HEADS, run.config.size), []
    model = Model(trunk, made_up.weights(trunk))
    monkeypatch.setattr(distillation, "Teachers", lambda networks, heads: told.append(networks) or {}["stop"])
    with pytest.raises(KeyError):
        distilled(model, replace(desk, run=run), Distillation(teacher="networks"))
    [[first, *others]] = told
    assert all(np.array_equal(array, model.weights[name]) for name, array in canonical(first).items())
    assert len(others) == 2
    assert not np.array_equal(*(canonical(network)["lstm_kernel"] for network in others))
    prepared = Prepared(histories=load_histories(run_path), spec=run.spec, heads=HEADS, notes=())
    second = structs.replace(run.config, fitting=structs.replace(fitting, seed=run.seed + 2))
    learned = learn(prepared, second)
    assert learned.taught
    assert all(np.array_equal(array, learned.weights[name]) for name, array in canonical(others[1]).items())


def test_a_students_bundle_by_several_networks_is_proven_and_smaller(run_path, tmp_path, model):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[passes]]\nkind = "distillation"\nteacher = "networks"\nnetwork = "lstm"\nunits = 5\n'
        "largest_embedding = 2\nepochs = 1\n"
    )
    recipe = read_recipe(str(path))
    # It has learned next to nothing in one epoch.
    config = ExportConfig(passes=recipe.passes, variants=("int8",), members=("step.tflite",), largest_loss=0.49)
    run = load_run(run_path)
    run = structs.replace(run, config=structs.replace(run.config, fitting=Fitting(epochs=1, batch_events=256)))
    save_run(tmp_path / "run", run, load_weights(run_path), load_histories(run_path))
    exported = export(tmp_path / "run", config, tmp_path / "model.nsight")
    [report] = exported.certificate.passes
    assert report.said == "a student (lstm, 16 filters, 5 units) has learned from 3 networks"
    bundle = read_bundle(tmp_path / "model.nsight")
    assert (bundle.manifest.trunk.kind, bundle.manifest.trunk.units) == ("lstm", 5)
    assert exported.index.trunk == bundle.manifest.trunk
    assert len(bundle.members["step.tflite"]) < len(converted(step_function(model.trunk, model.weights), "int8"))


def test_distillation_comes_first():
    with pytest.raises(ValueError, match="must be the first pass"):
        Recipe(passes=(MagnitudePruning(), Distillation()))
    with pytest.raises(InputError, match="must be the first pass"):
        ExportConfig(passes=(MagnitudePruning(), Distillation())).check()


@pytest.mark.parametrize("name", ["filters", "units", "largest_embedding", "epochs"])
def test_sizes_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, received 0"):
        Distillation(**{name: 0})
