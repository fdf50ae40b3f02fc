"""The next item: labels against a slow oracle, a planted order that is learned, recommendations on the device."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nearsight
from nearsight.errors import InputError
from nearsight_training.config import Fitting, LogConfig, NextItem, Size
from nearsight_training.labels import next_item_index
from nearsight_training.preparation import prepare
from nearsight_training.run import Source
from nearsight_training.train import train_prepared
from training.conftest import make_log
from training.test_table import bundle_of

ITEMS = ("ape", "bee", "cat", "dog", "eel", "fox")
histories = st.lists(
    st.lists(st.tuples(st.sampled_from(["buy", "look"]), st.sampled_from(["", *ITEMS[:3]])), min_size=1, max_size=9),
    min_size=1,
    max_size=5,
)


def shelf(*told):
    items = [item for history in told for _, item in history]
    return make_log(
        *([(place, name) for place, (name, _) in enumerate(each)] for each in told), fields={"item": np.array(items)}
    )


def slowly(history, place, item):
    seen = [what for name, what in history[: place + 1] if name in (item.events or (name,))]
    for later in range(place + 1, len(history)):
        name, what = history[later]
        if what and name in (item.events or (name,)) and not (item.unseen and what in seen):
            return later
    return -1


@given(histories, st.sampled_from([(), ("buy",)]), st.booleans())
def test_the_next_item_is_the_first_to_come_that_counts(told, events, unseen):
    item = NextItem(name="next", field="item", events=events, unseen=unseen)
    starts = np.repeat(np.cumsum([0, *map(len, told[:-1])]), [len(each) for each in told])
    expected = np.array([slowly(each, place, item) for each in told for place in range(len(each))])
    found = next_item_index(shelf(*told), item)
    assert found.tolist() == np.where(expected < 0, -1, expected + starts).tolist()


CONFIG = LogConfig(
    next_item=NextItem(name="next_buy", field="item", events=("buy",)),
    next_event=False,
    split="user",
    min_users=1,
    validation_share=0.2,
    test_share=0.3,
    size=Size(filters=12, units=16),
    fitting=Fitting(epochs=10, dropout=0.0, batch_events=160, learning_rate=1e-2, teach=False),
)


@pytest.fixture(scope="module")
def shoppers():
    """300 users who look at things at random and buy around the alphabet, each in a direction of their own."""
    generator, told = np.random.default_rng(2), []
    for user in range(300):
        place, history = generator.integers(6), []
        for _ in range(10):
            history.append(("look", str(generator.choice(ITEMS))))
            history.append(("buy", ITEMS[place]))
            place = (place + (1 if user % 2 else -1)) % 6
        told.append(history)
    return shelf(*told)


@pytest.fixture(scope="module")
def item_run(shoppers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "items"
    source = Source(name="items", sha256="", rows=1, users=300, first_time=0.0, last_time=20.0)
    return train_prepared(prepare(shoppers, CONFIG), CONFIG, source, folder), folder


def test_an_order_that_only_history_tells_is_learned(item_run):
    """The last item says nothing of the direction: the chain's log loss is the logarithm of 6 or, after a buy, of 2."""
    run, _ = item_run
    assert run.metrics["next_buy"]["hits@1"].value > 0.8
    assert run.gates["next_buy"].rivals[0].ahead["log_loss"].high < -0.4


def test_a_device_recommends_what_comes_next_without_what_was_seen(item_run, tmp_path):
    session = nearsight.load(bundle_of(*item_run, tmp_path / "items.nsight"), runtime="numpy").session()
    for time, (look, buy) in enumerate([("fox", "ape"), ("ape", "bee"), ("cat", "cat")]):
        session.observe("look", 2.0 * time, item=look)
        reading = session.observe("buy", 2.0 * time + 1, item=buy)
    assert reading.recommend(1)[0][0] == "dog"
    assert [name for name, _ in reading.recommend(6, without={"dog", "ape"})].count("dog") == 0
    assert len(reading.recommend(6)) == 6
    assert sum(chance for _, chance in reading.recommend(6)) == pytest.approx(1, abs=1e-5)
    assert reading.next(1) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"field": "price"}, "asks for a field of names, received 'price': the log has item"),
        ({"events": ("rent",)}, "rent"),
    ],
)
def test_what_cannot_be_foreseen_is_refused(shoppers, change, words):
    asked = msgspec.structs.replace(CONFIG.next_item, **change)
    with pytest.raises(InputError, match=words):
        prepare(shoppers, msgspec.structs.replace(CONFIG, next_item=asked))
