import msgspec
import pytest

from benchmarks.conftest import CONFIG, shop
from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.networks import Networks, asked, compared, config_of, made, table
from nearsight_training.datasets.catalogue import dataset
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare
from nearsight_training.run import Source

QUICK = BenchConfig(quick=True)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """A bag of events and its bundle."""
    log = log_of(shop(600, 7), CONFIG)
    source = Source(name="shop", sha256="", rows=1, users=len(log.users))
    return made(prepare(log, CONFIG), CONFIG, source, "mlp", tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def found(run_path, bundle_path, bag):
    return compared([asked(run_path, bundle_path, QUICK), asked(*bag, QUICK)], QUICK)


def test_all_are_asked_the_same_and_compared_with_the_first(found):
    first, second = found.networks
    assert (first.network, second.network) == ("cnn_lstm", "mlp")
    assert first.more is None
    assert second.more.value == pytest.approx(second.auc.value - first.auc.value)
    assert second.more.low <= second.more.value <= second.more.high
    assert found.questions >= found.users > 10
    assert msgspec.json.decode(msgspec.json.encode(found), type=Networks) == found


def test_a_smaller_network_is_smaller_and_every_step_was_timed(found):
    first, second = found.networks
    assert second.weights < first.weights
    assert second.size.raw < first.size.raw
    assert second.state == 8 + 1
    assert all(each.latency.calls >= QUICK.plan.fewest and each.latency.p50_us > 0 for each in found.networks)


def test_the_table_has_a_row_for_each(found):
    lines = table(found).splitlines()
    assert lines[0].startswith("shop: will purchase happen within 30 days?")
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| cnn_lstm", "| mlp"]
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_the_question_is_the_catalogues():
    config = config_of(dataset("cdnow"), epochs=3, seed=7)
    assert (config.split, config.cutoff) == ("user", "1997-09-30")
    assert [target.name for target in config.targets] == ["buys_again"]
    assert (config.fitting.epochs, config.fitting.seed) == (3, 7)
