"""Private training: each user's gradient is clipped as a whole, and the noise is what its promise takes."""

import re
from dataclasses import replace

import dp_accounting
import msgspec
import numpy as np
import polars as pl
import pytest
from dp_accounting.rdp import RdpAccountant
from msgspec.structs import replace as replaced
from scipy import stats

from nearsight.errors import InputError
from nearsight_training.clipping import Clipped
from nearsight_training.columns import Table
from nearsight_training.config import Augmentation, Fitting, LogConfig, Origin, Privacy, Size, Target, Value
from nearsight_training.fit import BatchLoss, seeded
from nearsight_training.guarantee import Guarantee, check_private, limits, promised, spent, spoken
from nearsight_training.histories import reference
from nearsight_training.learning import trunk_of
from nearsight_training.network import build
from nearsight_training.noise import Noise
from nearsight_training.preparation import prepare
from nearsight_training.private_step import PrivateStep
from nearsight_training.run import load_run
from nearsight_training.sequences import Crops, batches, crops, drawn
from nearsight_training.split import TRAIN, VALIDATION, plan
from nearsight_training.tensorflow import tf
from nearsight_training.train import train_log
from training.conftest import DAY, make_log

KINDS = ("cnn_lstm", "lstm", "cnn", "mlp")
CONFIG = LogConfig(
    targets=(Target(name="buys", events=("buy",), within_seconds=2 * DAY),),
    values=(Value(name="spend", field="price", within_seconds=3 * DAY),),
    split="user",
    window=8,
    validation_share=0.3,
    size=Size(filters=4, units=5),
    fitting=Fitting(
        epochs=3, batch_events=256, dropout=0.0, private=Privacy(epsilon=4.0, users_per_step=40, noise_seed=1)
    ),
)


def lived(users, seed=7):
    generator = np.random.default_rng(seed)
    histories, prices = [], []
    for _ in range(users):
        days = np.cumsum(generator.exponential(1.5, int(generator.integers(3, 20))))
        names = generator.choice(["look", "cart", "buy"], len(days))
        histories.append([(float(day) * DAY, str(name)) for day, name in zip(days, names, strict=True)])
        prices += generator.integers(1, 50, len(days)).astype(float).tolist()
    return make_log(*histories, fields={"price": np.array(prices)})


@pytest.fixture(scope="module")
def prepared():
    return prepare(lived(200), CONFIG)


def made(prepared, kind, asks=True):
    """A network of the kind, and a function from its logits to a loss for each history."""
    seeded(1)
    trunk = trunk_of(prepared.spec, prepared.heads, Size(network=kind, filters=4, units=5, skip=True))
    return build(trunk, asks=asks, dropout=0.0), BatchLoss(prepared.heads, CONFIG.fitting)


def some(prepared, asks=True):
    """The longest batch of the training users' crops, with repeated events and padding in it."""
    training = prepared.histories.select(TRAIN)
    chosen = drawn(training, np.random.default_rng(3), alone=True) if asks else None
    return list(batches(training, crops(training, 8), 256, chosen))[-1]


def losses(loss, batch, logits):
    return loss.apart(logits, tf.constant(loss.answers_of(batch)), tf.constant(batch.next_codes))[0]


def one_by_one(model, loss, batch):
    """The oracle: a tape for each history."""
    found = []
    for place in range(len(batch.codes)):
        with tf.GradientTape() as tape:
            logits = model([batch.codes, batch.numbers], training=True)[0]
            total = losses(loss, batch, logits)[place]
        gradients = tape.gradient(total, model.trainable_variables, unconnected_gradients="zero")
        found.append([tf.convert_to_tensor(each).numpy().astype(np.float64) for each in gradients])
    return found


@pytest.mark.parametrize(("kind", "asks"), [*((kind, True) for kind in KINDS), ("cnn_lstm", False), ("lstm", False)])
def test_clipped_sums_are_those_of_a_tape_for_each_history(prepared, kind, asks):
    model, loss = made(prepared, kind, asks)
    batch = some(prepared, asks)
    apart = one_by_one(model, loss, batch)
    norms = np.array([np.sqrt(sum((each**2).sum() for each in gradients)) for gradients in apart])
    bound = float(np.median(norms))
    assert norms.min() < bound < norms.max()
    sums, found = Clipped(model, bound)(batch.codes, batch.numbers, lambda logits: losses(loss, batch, logits))
    assert found.numpy() == pytest.approx(norms, rel=3e-3)  # what is added for rounding, 1e-5 of a square, at 8 places
    assert (found.numpy() >= norms * (1 - 1e-6)).all()
    for place, total in enumerate(sums):
        expected = sum(min(1.0, bound / norm) * each[place] for norm, each in zip(norms, apart, strict=True))
        assert total.numpy() == pytest.approx(expected, rel=5e-3, abs=1e-4 * bound)


@pytest.fixture(scope="module")
def private(prepared):
    """A step with a clipping norm of 1/4, and the training users."""
    training = prepared.histories.select(TRAIN)
    guarantee = Guarantee(
        epsilon=4.0,
        delta=1e-3,
        noise_multiplier=3.0,
        clip_norm=0.25,
        sampling_rate=0.3,
        steps=900,
        users=len(training),
    )
    return PrivateStep(*made(prepared, "cnn_lstm"), CONFIG.fitting, guarantee, Noise(1)), training


def size_of(sums):
    return np.sqrt(sum(float(tf.reduce_sum(tf.square(each))) for each in sums))


def test_a_giant_moves_the_sum_by_the_clipping_norm_at_most(private):
    """Planted: a user whose numbers are a million times as large."""
    step, training = private
    giant = replace(training, numbers=training.numbers.copy())
    giant.numbers[giant.span(0)] *= 1e6
    parts = crops(training, 8)
    mine = training.owners[parts.start] == 0
    others, one = (Crops(parts.start[some], parts.length[some]) for some in (~mine, np.flatnonzero(mine)[:1]))
    both = Crops(
        *(np.concatenate(pair) for pair in zip((one.start, one.length), (others.start, others.length), strict=True))
    )
    found = []
    for some in (others, both):
        step.generator = np.random.default_rng(5)  # the same questions
        found.append(step.sums(giant, some, CONFIG.fitting)[0])
    without, present = found
    assert 0.2 < size_of([a - b for a, b in zip(present, without, strict=True)]) <= 0.25 * (1 + 1e-4)


def test_each_user_gives_one_crop_and_takes_part_as_often_as_the_rate_says(private, monkeypatch):
    step, training = private
    seen = []
    monkeypatch.setattr(step, "stepped", lambda histories, parts, *_: seen.append(training.owners[parts.start]) or 0)
    step.epoch(training, CONFIG.fitting, 8, np.random.default_rng(1))
    assert len(seen) == 300
    assert all(len(np.unique(users)) == len(users) for users in seen)
    taken = np.bincount(np.concatenate(seen), minlength=len(training))
    assert taken.mean() / 300 == pytest.approx(0.3, abs=0.01)
    assert taken.std() == pytest.approx(np.sqrt(300 * 0.3 * 0.7), rel=0.25)
    counts = [len(users) for users in seen]
    assert np.std(counts) == pytest.approx(np.sqrt(len(training) * 0.3 * 0.7), rel=0.15)  # Poisson's, not of one size


def test_the_optimiser_gets_sums_over_the_expected_users_with_the_noise_that_was_promised(private, monkeypatch):
    step, training = private
    nobody = Crops(np.zeros(0, np.int64), np.zeros(0, np.int64))
    moved = []
    monkeypatch.setattr(step, "_move", lambda weight, *sums: moved.append((weight, sums)))
    for _ in range(20):
        step.stepped(training, nobody, CONFIG.fitting)
    noise = np.concatenate([np.ravel(each) for _, sums in moved for each in sums])
    assert moved[0][0] == pytest.approx(0.3 * len(training))
    assert noise.std() == pytest.approx(0.75, rel=0.03)
    assert abs(noise.mean()) < 5 * 0.75 / np.sqrt(len(noise))
    first, second = (np.concatenate([np.ravel(each) for each in sums]) for _, sums in moved[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(first))


@pytest.mark.parametrize("seed", [None, 3])
def test_noise_is_normal(seed):
    drawn_noise = Noise(seed).normal(200_001)
    assert stats.kstest(drawn_noise, "norm").pvalue > 1e-6
    assert abs(stats.kurtosis(drawn_noise)) < 0.1


def test_noise_comes_from_the_system_unless_a_seed_is_asked_for():
    assert (Noise(3).normal(50) == Noise(3).normal(50)).all()
    seeded(3)
    first = Noise().normal(50)
    seeded(3)
    assert (Noise().normal(50) != first).all()


def test_the_accountant_is_right_about_one_step_over_everybody():
    """The Gaussian mechanism's own curve (Balle & Wang 2018, theorem 8), at sensitivity 1."""

    def delta(epsilon, sigma):
        return stats.norm.cdf(1 / (2 * sigma) - epsilon * sigma) - np.exp(epsilon) * stats.norm.cdf(
            -1 / (2 * sigma) - epsilon * sigma
        )

    for sigma in (0.8, 2.0):
        for epsilon in (0.5, 2.0):
            assert spent(sigma, 1.0, 1, delta(epsilon, sigma)) == pytest.approx(epsilon, rel=2e-3)


def test_the_noise_is_the_least_that_keeps_the_promise_and_renyi_accounting_says_the_same():
    found = promised(Privacy(epsilon=2.0, users_per_step=250), 1000, 5)
    assert (found.sampling_rate, found.steps, found.users) == (0.25, 20, 1000)
    assert found.delta == pytest.approx(1000**-1.1)
    assert spent(found.noise_multiplier, 0.25, 20, found.delta) <= 2.0
    assert spent(0.99 * found.noise_multiplier, 0.25, 20, found.delta) > 2.0
    step = dp_accounting.PoissonSampledDpEvent(0.25, dp_accounting.GaussianDpEvent(found.noise_multiplier))
    renyi = RdpAccountant().compose(step, 20).get_epsilon(found.delta)
    assert 2.0 < renyi < 2.5  # an upper bound of the same, and looser


def test_few_users_all_take_part(prepared):
    found = promised(Privacy(epsilon=1.0, delta=1e-3), 100, 4)
    assert (found.sampling_rate, found.steps, found.delta) == (1.0, 4, 1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": Size(network="vae")}, "choose cnn_lstm, lstm, cnn or mlp"),
        ({"fitting": replaced(CONFIG.fitting, pretrain_epochs=2)}, "pretrain_epochs (--pretrain-epochs)"),
        ({"origin": Origin(run="runs/other")}, "origin (--from)"),
        ({"parts": 2}, "parts (--memory)"),
        ({"augmentation": Augmentation(event_dropout=0.1)}, "augmentation (--event-dropout, --time-jitter)"),
    ],
)
def test_what_the_accounting_does_not_cover_is_refused(changes, words, tmp_path):
    with pytest.raises(InputError, match=re.escape(words)):
        train_log(tmp_path / "unread.csv", replaced(CONFIG, **changes), tmp_path / "run")
    check_private(replaced(CONFIG, **changes, fitting=Fitting()) if "fitting" not in changes else LogConfig())


@pytest.mark.parametrize(
    "wrong", [{"epsilon": 0}, {"epsilon": 101}, {"delta": 1.0}, {"clip_norm": 0}, {"users_per_step": 0}]
)
def test_a_promise_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="received"):
        Privacy(**{"epsilon": 1.0, **wrong})


@pytest.fixture(scope="module")
def private_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private") / "run"
    rows = lived(200)
    frame = pl.DataFrame(
        {
            "user": rows.users[rows.owners],
            "time": rows.times,
            "event": np.asarray(rows.names),
            "price": rows.fields["price"],
        }
    )
    return train_log(Table("lived", frame, 1), replaced(CONFIG, values=(), next_event=False), folder), folder


def test_the_run_says_what_it_promises(private_run):
    run, folder = private_run
    read = load_run(folder).guarantee
    assert read == run.guarantee == promised(CONFIG.fitting.private, read.users, 3)
    assert read.users == run.data["train_users"]
    assert run.taught == ()
    assert "trained as for (4, " in spoken(read)
    assert any("seed" in note for note in run.notes)
    unseeded = msgspec.structs.replace(read, is_repeatable=False)
    assert spoken(unseeded) == f"trained with (4, {read.delta:.2g})-differential privacy per user"
    assert spoken(None) == "trained without differential privacy"
    assert not any("seed" in note for note in limits(unseeded))


def test_a_training_user_tells_the_specification_nothing():
    """Planted: training users with other names, numbers, silences and a time beyond everybody else's."""
    log = lived(200)
    split = plan(log, CONFIG)
    assert reference(CONFIG.fitting) == VALIDATION
    user = int(np.flatnonzero(split.users == TRAIN)[0])
    mine = log.owners == user
    other = replace(
        log,
        times=np.where(mine, log.times * 1.7 + 50 * DAY * (log.times == log.times[mine].max()), log.times),
        fields={"price": np.where(mine, 1e9, log.fields["price"])},
    )
    first, second = prepare(log, CONFIG), prepare(other, CONFIG)
    assert first.spec == second.spec
    assert first.heads == second.heads
    for before, after in zip(*(others(each, user) for each in (first, second)), strict=True):
        assert np.array_equal(before, after, equal_nan=True)
    public = replaced(CONFIG, fitting=Fitting())
    assert prepare(log, public).spec != prepare(other, public).spec


def others(prepared, user):
    """What is learned from the others, apart from questions, whose moments are drawn by place."""
    histories = prepared.histories.take(np.setdiff1d(np.arange(len(prepared.histories)), [user]))
    return histories.codes, histories.numbers, histories.labels, histories.values, histories.next_codes


def with_few_questions(histories):
    """The same, but one question for each event at most where a history's number is odd."""
    first = np.diff(histories.ask_events, prepend=-1) != 0
    kept = first | (histories.ask_history % 2 == 0)
    names = ("ask_history", "ask_after", "ask_time", "ask_codes", "ask_numbers", "ask_labels", "ask_values")
    return replace(histories, **{name: getattr(histories, name)[kept] for name in names})


def test_questions_are_drawn_from_each_history_alone(prepared):
    training = with_few_questions(prepared.histories.select(TRAIN))
    held = np.bincount(training.ask_events, minlength=len(training.codes))
    most = np.maximum.reduceat(held, training.starts)
    assert most.min() < most.max()
    counts = np.mean([drawn(training, np.random.default_rng(seed), alone=True) >= 0 for seed in range(400)], axis=0)
    expected = held / np.maximum(most, 1)[training.owners]
    assert counts == pytest.approx(expected, abs=0.13)  # five standard deviations of 400 draws
