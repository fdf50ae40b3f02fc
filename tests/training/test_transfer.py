"""What two runs both know is taken by name, a small log gains from it, and nobody is tested who was learned from."""

import msgspec
import numpy as np
import pytest

from nearsight.errors import InputError
from nearsight.heads import BinaryHead, NextEventHead
from nearsight.manifest import model_id
from nearsight.spec import Category, Clock, Number, Spec
from nearsight_training.config import Fitting, LogConfig, Origin, Size, Target
from nearsight_training.learning import learn, trunk_of
from nearsight_training.preparation import prepare
from nearsight_training.run import Run, Source, load_weights, save_run
from nearsight_training.transfer import Parent, begun, parent_of, pinned, widened
from training.conftest import make_log

SIZE = Size(filters=8, units=8, skip=True)
CONFIG = LogConfig(
    targets=(Target(name="wave", events=("wave",), within_events=1),),
    split="user",
    validation_share=0.3,
    asks=0,
    size=SIZE,
    fitting=Fitting(epochs=6, batch_events=128, learning_rate=1e-2, teach=False, dropout=0.0, next_weight=1.0),
)
CLOCK = Clock(gap=Number(name="gap", low=0, high=9), age=Number(name="age", low=0, high=9))


def spec(events, devices=(), numbers=("price",)):
    return Spec(
        event=Category(name="event", vocabulary=events),
        categories=(Category(name="device", vocabulary=devices),) if devices else (),
        numbers=tuple(Number(name=name, low=0, high=1) for name in numbers),
        clock=CLOCK,
    )


def heads(events, name="buys", kind="will_do"):
    return (BinaryHead(name=name, start=0, kind=kind), NextEventHead(start=1, vocabulary=events))


def weights_of(trunk, seed):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in trunk.weight_shapes.items()}


def made_parent(its_spec, its_heads, histories=None, config=CONFIG, sha256="of the large log"):
    trunk = trunk_of(its_spec, its_heads, SIZE)
    source = Source(name="large.csv", sha256=sha256, rows=1, users=1)
    run = Run(
        name="large",
        created="",
        config=config,
        source=source,
        spec=its_spec,
        trunk=trunk,
        heads=its_heads,
        window=32,
    )
    return Parent(run, weights_of(trunk, 1))


THEIRS = ("look", "ask", "buy", "leave", "return", "rate", "share", "call", "write", "read")
MINE = ("buy", "ask", "look", "new")


def taken(mine, my_heads, parent):
    trunk = widened(trunk_of(mine, my_heads, SIZE), mine, parent)
    fresh = weights_of(trunk, 2)
    return trunk, fresh, *begun(fresh, trunk, mine, my_heads, parent)


@pytest.fixture(scope="module")
def exchanged():
    """Vocabularies in another order, one field and one number more on either side, a head of the same name."""
    parent = made_parent(spec(THEIRS, ("phone", "desk"), ("price", "rebate")), heads(THEIRS))
    mine = spec(MINE, ("desk", "watch", "phone"), ("weight", "price"))
    return parent, mine, taken(mine, heads(MINE), parent)


def test_a_word_keeps_its_embedding_wherever_it_stands_and_a_new_one_is_fresh(exchanged):
    parent, mine, (_, fresh, weights, _) = exchanged
    for name in ("buy", "ask", "look"):
        theirs = parent.weights["embedding_0"][THEIRS.index(name) + 1]
        assert (weights["embedding_0"][MINE.index(name) + 1] == theirs).all()
    assert (weights["embedding_0"][MINE.index("new") + 1] == fresh["embedding_0"][MINE.index("new") + 1]).all()
    assert (weights["embedding_0"][0] == parent.weights["embedding_0"][0]).all()
    assert (weights["embedding_0"][mine.now] == parent.weights["embedding_0"][parent.run.spec.now]).all()
    assert (weights["embedding_1"][1] == parent.weights["embedding_1"][2]).all()  # desk
    assert (weights["embedding_1"][2] == fresh["embedding_1"][2]).all()  # watch


def test_the_trunk_reads_a_row_as_the_parent_does_where_both_know_all_of_it(exchanged):
    """The oracle: a row laid out either way, of what both know, gives one and the same convolution and answer."""
    parent, mine, (trunk, _, weights, _) = exchanged
    given = {"first": 0.3, "gap": -1.0, "age": 0.5, "price": 2.0}

    def told(its_spec, its_trunk, its_weights, event, device):
        codes = (its_spec.event.vocabulary.index(event) + 1, its_spec.categories[0].vocabulary.index(device) + 1)
        embedded = [its_weights[f"embedding_{k}"][code] for k, code in enumerate(codes)]
        row = np.concatenate([*embedded, [given.get(name, 0.0) for name in its_spec.number_names]])
        answer = row @ its_weights["head_kernel"][its_trunk.given_size :, 0]
        return np.append(np.tile(row, 3) @ its_weights["conv_kernel"] + its_weights["conv_bias"], answer)

    theirs = told(parent.run.spec, parent.run.trunk, parent.weights, "ask", "phone")
    assert told(mine, trunk, weights, "ask", "phone") == pytest.approx(theirs, abs=1e-4)
    for name in ("lstm_kernel", "lstm_bias", "conv_bias"):
        assert (weights[name] == parent.weights[name]).all()


def test_heads_of_the_same_name_and_kind_are_taken(exchanged):
    parent, _, (_, _, weights, note) = exchanged
    mine, its, units = weights["head_kernel"], parent.weights["head_kernel"], parent.run.trunk.units
    assert (mine[:units, 0] == its[:units, 0]).all()
    buy, theirs = 1 + MINE.index("buy"), 1 + THEIRS.index("buy")
    assert (mine[:units, buy] == its[:units, theirs]).all()
    assert weights["head_bias"][buy] == parent.weights["head_bias"][theirs]
    assert f"began with large (weights {model_id(parent.weights)}): 5 of 7 names and 4 of 5 numbers" in note
    assert "heads taken: buys, next_event" in note


@pytest.mark.parametrize("other", [heads(MINE, name="stays"), heads(MINE, kind="inactive")])
def test_a_head_of_another_name_or_kind_starts_fresh(exchanged, other):
    parent, mine, _ = exchanged
    _, fresh, weights, note = taken(mine, other, parent)
    assert (weights["head_kernel"][:, 0] == fresh["head_kernel"][:, 0]).all()
    assert "heads taken: next_event" in note


def saved(parent, folder, histories):
    save_run(folder, parent.run, parent.weights, histories)
    return msgspec.structs.replace(CONFIG, origin=Origin(run=str(folder)))


@pytest.fixture(scope="module")
def small():
    return prepare(goodbyes(90, seed=11), CONFIG)


def goodbyes(users, seed):
    """Users who wave goodbye after asking, three times in ten, and never after looking or waiting."""
    generator = np.random.default_rng(seed)
    histories = []
    for _ in range(users):
        now, events = 1e9, []
        while len(events) < 12 and (not events or events[-1][1] != "wave"):
            asks = bool(events) and events[-1][1] == "ask"
            name = "wave" if asks and generator.random() < 0.3 else str(generator.choice(["look", "ask", "wait"]))
            now += float(generator.exponential(86400))
            events.append((now, name))
        histories.append(events)
    return make_log(*histories)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The configuration that begins with a run on a large log of the same process."""
    folder, prepared = tmp_path_factory.mktemp("runs") / "large", prepare(goodbyes(400, seed=12), CONFIG)
    learned = learn(prepared, CONFIG)
    run = msgspec.structs.replace(made_parent(prepared.spec, prepared.heads).run, trunk=learned.trunk)
    return saved(Parent(run, learned.weights), folder, prepared.histories)


def test_a_small_log_of_the_same_process_is_learned_better_from_a_large_one(small, large):
    scratch, begun_with = learn(small, CONFIG), learn(small, large)
    best = [min(epoch.validation_loss for epoch in each.epochs) for each in (scratch, begun_with)]
    assert best[1] < best[0] - 0.02
    assert any("began with large" in note for note in begun_with.notes)


def test_another_size_is_refused_with_both_and_the_way_out(small, tmp_path):
    config = saved(made_parent(small.spec, small.heads), tmp_path / "large", small.histories)
    wide = msgspec.structs.replace(config, size=Size(filters=16, units=8))
    with pytest.raises(InputError, match="8 filters and 8 units, received 16 and 8: pass --filters 8 --units 8"):
        parent_of(wide)


def test_the_weights_are_pinned_and_others_refused(small, tmp_path):
    parent = made_parent(small.spec, small.heads)
    config = saved(parent, tmp_path / "large", small.histories)
    source = Source(name="small.csv", sha256="of the small log", rows=1, users=1)
    told = pinned(config, source)
    assert told.origin.weights == model_id(load_weights(tmp_path / "large"))
    assert pinned(told, source) == told
    save_run(tmp_path / "large", parent.run, weights_of(parent.run.trunk, 5), small.histories)
    with pytest.raises(InputError, match="it was trained again"):
        pinned(told, source)


@pytest.mark.parametrize("change", [{"fitting": Fitting(seed=2)}, {"test_share": 0.4}, {"split": "time"}, {"parts": 2}])
def test_a_run_that_saw_the_users_of_this_test_is_refused(small, tmp_path, change):
    config = saved(made_parent(small.spec, small.heads, sha256="same"), tmp_path / "large", small.histories)
    source = Source(name="same.csv", sha256="same", rows=1, users=1)
    pinned(config, source)  # the same split is no harm
    with pytest.raises(InputError, match="has seen users who would test"):
        pinned(msgspec.structs.replace(config, **change), source)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="isn't a run"):
        parent_of(msgspec.structs.replace(CONFIG, origin=Origin(run=str(tmp_path))))
