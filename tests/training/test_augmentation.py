"""A varied history is encoded as if the missing events had never been; its clock agrees with itself; labels stay."""

import msgspec
import numpy as np
import pytest

from nearsight.cursor import segment_starts
from nearsight.features import Encoder
from nearsight.spec import Reset
from nearsight_training import learning, specification
from nearsight_training.augmentation import Augmenter
from nearsight_training.config import Augmentation, Fitting, LogConfig, Size, Target
from nearsight_training.fit import fit
from nearsight_training.learning import learn, trunk_of
from nearsight_training.network import build
from nearsight_training.preparation import prepare
from nearsight_training.run import Epoch
from nearsight_training.split import TRAIN, VALIDATION
from training.conftest import DAY, make_log

CONFIG = LogConfig(
    targets=(Target(name="buys", events=("buy",), within_seconds=2 * DAY),),
    split="user",
    validation_share=0.3,
    asks=2,
    size=Size(filters=4, units=5),
    fitting=Fitting(epochs=2, batch_events=512, teach=False),
)
RESETS = [Reset(), Reset(gap_seconds=DAY), Reset(max_events=3)]


def prepared_with(reset):
    generator = np.random.default_rng(8)
    histories = []
    for _ in range(60):
        times = 1e9 + np.cumsum(generator.exponential(DAY, int(generator.integers(1, 9))))
        histories.append([(time, str(generator.choice(["look", "ask", "buy"]))) for time in times.tolist()])
    size = sum(map(len, histories))
    fields = {"number": generator.permutation(size).astype(float)}  # tells the events apart
    return prepare(make_log(*histories, fields=fields), msgspec.structs.replace(CONFIG, reset=reset))


@pytest.fixture(scope="module", params=RESETS, ids=["never", "gap", "events"])
def prepared(request):
    return prepared_with(request.param)


def varied(prepared, seed=0, **changes):
    training = prepared.histories.select(TRAIN)
    return training, Augmenter(prepared.spec, Augmentation(**changes))(training, np.random.default_rng(seed))


def same(first, second):
    names = [name for name in first.__dataclass_fields__ if name != "fields"]
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def test_nothing_changes_where_nothing_is_asked_for(prepared):
    assert same(*varied(prepared))


def test_what_is_left_is_encoded_as_a_log_of_it_alone(prepared):
    """The oracle is the device's own encoder on the events that are left."""
    training, found = varied(prepared, event_dropout=0.4)
    assert 0.5 < len(found.codes) / len(training.codes) < 0.75
    assert len(found) == len(training)
    assert (found.lengths > 0).all()
    begins = segment_starts(prepared.spec.reset, found.times, found.starts, len(found.times))
    assert (np.flatnonzero(found.fresh) == begins).all()
    encoder = Encoder(prepared.spec)
    codes, numbers = encoder.columns(found.names.tolist(), found.times, found.fields, begins)
    assert (found.codes == codes).all()
    assert (found.numbers == numbers).all()
    last = found.ask_events
    first = begins[np.searchsorted(begins, last, "right") - 1]
    _, asked = encoder.now_columns(found.ask_time - found.times[last], found.ask_time - found.times[first], ())
    assert (found.ask_numbers == asked).all()
    assert (found.ask_time >= found.times[last]).all()


def test_labels_stay_as_the_full_log_gave_them(prepared):
    """Of the event that a dropped one followed, too: what comes next is what came next."""
    training, found = varied(prepared, event_dropout=0.4)
    place = {number: index for index, number in enumerate(training.fields["number"].tolist())}
    mine = np.array([place[number] for number in found.fields["number"].tolist()])
    assert (found.labels == training.labels[mine]).all()
    assert (found.next_codes == training.next_codes[mine]).all()
    skipped = np.flatnonzero((np.diff(mine) > 1) & (found.owners[1:] == found.owners[:-1]))
    assert (found.next_codes[skipped, 0] != found.codes[skipped + 1, 0]).any()
    asks = np.flatnonzero(np.isin(training.ask_time, found.ask_time))
    assert (found.ask_labels == training.ask_labels[asks]).all()
    gone = np.setdiff1d(np.arange(len(training.ask_time)), asks)
    dropped = set(training.fields["number"].tolist()) - set(found.fields["number"].tolist())
    for question in gone.tolist():  # whose every event before it is gone
        history = training.ask_history[question]
        begin = int(training.starts[history])
        assert set(training.fields["number"][begin : begin + training.ask_after[question]].tolist()) <= dropped


@pytest.mark.parametrize("reset", RESETS, ids=["never", "gap", "events"])
def test_gaps_and_ages_are_stretched_together_and_within_the_share(reset, monkeypatch):
    """Of numbers that aren't parted: beyond the last edge, parts don't tell the seconds."""
    monkeypatch.setattr(specification, "_edges", lambda values: ())
    prepared = prepared_with(reset)
    training, found = varied(prepared, time_jitter=0.2)
    clock = prepared.spec.clock

    def seconds(numbers, column, number):
        return np.expm1(numbers[:, column].astype(np.float64) / number.scale + number.mean)

    later = (training.numbers[:, 0] == 0) & (found.numbers[:, 0] == 0)
    before, after = (seconds(each.numbers, 1, clock.gap)[later] for each in (training, found))
    ratio = after / before
    assert ratio.min() > 0.799
    assert ratio.max() < 1.201
    assert ratio.std() > 0.08
    gaps, ages = seconds(found.numbers, 1, clock.gap), seconds(found.numbers, 2, clock.age)
    sums = np.cumsum(np.where(found.fresh, 0.0, gaps))
    begins = np.flatnonzero(found.fresh)
    since = sums - np.repeat(sums[begins], np.diff(begins, append=len(sums)))
    assert ages == pytest.approx(since, rel=1e-3, abs=1.0)
    assert (found.codes == training.codes).all()
    assert (found.labels == training.labels).all()
    moment = len(prepared.spec.moment_names)
    assert (found.numbers[:, moment:] == training.numbers[:, moment:]).all()


def test_every_epoch_is_another_and_a_seed_repeats_it(prepared):
    changes = {"event_dropout": 0.3, "time_jitter": 0.1}
    _, first = varied(prepared, 1, **changes)
    _, again = varied(prepared, 1, **changes)
    _, other = varied(prepared, 2, **changes)
    assert same(first, again)
    assert not same(first, other)


@pytest.fixture(scope="module")
def plain():
    return prepared_with(Reset())


def test_each_epoch_trains_on_a_variation_and_checks_what_is_real(plain):
    training, validation = (plain.histories.select(part) for part in (TRAIN, VALIDATION))
    seen = []

    def vary(histories, generator):
        seen.append(histories)
        return histories.take(np.arange(5))

    model = build(trunk_of(plain.spec, plain.heads, CONFIG.size), asks=True)
    epochs = fit(model, training, validation, plain.heads, CONFIG.fitting, 32, vary=vary)
    assert [each is training for each in seen] == [True, True]
    assert all(np.isfinite(epoch.validation_loss) for epoch in epochs)


def test_training_is_varied_where_the_configuration_says_so(plain, monkeypatch):
    given = []

    def untrained(*_, vary, **__):
        given.append(vary)
        return (Epoch(loss=0.0, validation_loss=0.0, seconds=0.0),)

    monkeypatch.setattr(learning, "fit", untrained)
    learn(plain, msgspec.structs.replace(CONFIG, augmentation=Augmentation(event_dropout=0.2)))
    learn(plain, CONFIG)
    assert isinstance(given[0], Augmenter)
    assert given[1] is None


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares_that_leave_nothing_are_refused(share):
    with pytest.raises(ValueError, match="less than 1"):
        Augmentation(event_dropout=share)
    with pytest.raises(ValueError, match="less than 1"):
        Augmentation(time_jitter=share)
