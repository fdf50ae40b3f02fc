import pytest
from msgspec.structs import replace

from benchmarks import invented
from benchmarks.conftest import CONFIG, shop
from benchmarks.test_results_page import CROSSFIT
from nearsight_benchmarks import private_training
from nearsight_benchmarks.private_training import Pace, Point, PrivateTraining, measured, table
from nearsight_benchmarks.results_page import render
from nearsight_training.guarantee import Guarantee
from nearsight_training.log import log_of
from nearsight_training.metrics import Interval

PROMISE = Guarantee(
    epsilon=2.0, delta=2e-5, noise_multiplier=1.234, clip_norm=1.0, sampling_rate=0.125, steps=96, users=16_000
)
FOUND = PrivateTraining(
    points=(
        Point(guarantee=None, auc=Interval(0.77, 0.76, 0.78), less=None, epochs=9, seconds=30.0),
        Point(
            guarantee=PROMISE,
            auc=Interval(0.765, 0.755, 0.775),
            less=Interval(-0.005, -0.009, 0.001),
            epochs=12,
            seconds=40.0,
        ),
    ),
    pace=Pace(users=512, private_ms=87.4, ordinary_ms=43.1, repeats=15),
    customers=4700,
    load_average=0.3,
    host=invented.HOST,
    command="python -m nearsight_benchmarks.private_training",
)


def test_a_training_without_privacy_is_compared_with_private_ones_on_the_same_users(monkeypatch):
    monkeypatch.setattr(private_training, "CUTOFF", CONFIG.cutoff)
    told = replace(CONFIG, next_event=False, fitting=replace(CONFIG.fitting, epochs=1))
    log = log_of(shop(200, 7), told)
    monkeypatch.setattr(private_training, "paced", lambda log, told: FOUND.pace)
    found = measured(log, told, epsilons=(2.0,), draws=50)
    plain, private = found.points
    assert plain.guarantee is None
    assert plain.less is None
    assert private.guarantee.epsilon == 2.0
    assert private.less.value == pytest.approx(private.auc.value - plain.auc.value)
    assert 0 < found.customers < 200


def test_both_kinds_of_step_are_timed_on_the_same_crops():
    told = private_training.private(replace(CONFIG, next_event=False), 2.0)
    pace = private_training.paced(log_of(shop(100, 7), told), told, users=20, repeats=1)
    assert (pace.users, pace.repeats) == (20, 1)
    assert min(pace.private_ms, pace.ordinary_ms) > 0


def test_the_table_and_the_page_say_what_privacy_costs():
    page = render(invented.results(), CROSSFIT, more=[FOUND])
    assert table(FOUND) in page
    assert "| none |  |  |  | 0.7700 (0.7600 to 0.7800) |  |" in page
    assert "| 2 | 2e-05 | 1.23 | 96 | 0.7650 (0.7550 to 0.7750) | −0.0050 (−0.0090 to +0.0010) |" in page
    assert (
        "takes 87 ms, an ordinary one 43 ms: 2.0 times as long (medians of 15 in turn; the load average was 0.3)"
        in page
    )
    assert "16,000 customers with `--private`" in page
