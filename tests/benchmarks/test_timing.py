import gc

import numpy as np
import pytest

from nearsight_benchmarks.timing import Calls, Plan, interleaved, summary, timer_cost


class FakeClock:
    """Stands still but for the calls of contestants, and runs slower or faster as `drift` says."""

    def __init__(self, drift=lambda now: 1.0):
        self.now, self.drift, self.calls = 0, drift, []

    def __call__(self):
        return self.now

    def contestant(self, name, nanoseconds):
        def call():
            self.calls.append(name)
            self.now += round(nanoseconds * self.drift(self.now))

        return Calls(name, call, clock=self)


def test_every_call_is_timed_with_what_it_took():
    clock = FakeClock()
    times = interleaved([clock.contestant("fast", 10), clock.contestant("slow", 70)], Plan(calls=40, rounds=4))
    assert times["fast"].tolist() == [10] * 40
    assert times["slow"].tolist() == [70] * 40


def test_each_round_holds_one_block_of_each_contestant_in_changing_order():
    clock = FakeClock()
    names = ("a", "b", "c")
    plan = Plan(calls=40, rounds=8, warm_up=3)
    interleaved([clock.contestant(name, 10) for name in names], plan)
    timed = clock.calls[len(names) * (2 + 2 * plan.warm_up) :]  # a block of one call, then one of three, each warmed up
    block = 2 * plan.calls // plan.rounds
    blocks = [timed[start : start + block] for start in range(0, len(timed), block)]
    assert all(len(set(each)) == 1 for each in blocks)
    rounds = [tuple(each[0] for each in blocks[start : start + 3]) for start in range(0, len(blocks), 3)]
    assert len(rounds) == plan.rounds
    assert all(set(each) == set(names) for each in rounds)
    assert len(set(rounds)) > 1


def test_a_machine_that_slows_down_hits_all_alike():
    # Within the run everything becomes four times as slow; timed one after the other, the last would look it.
    clock = FakeClock(drift=lambda now: 1 + now / 400_000)
    contestants = [clock.contestant(name, 100) for name in "abcdef"]
    medians = [np.median(times) for times in interleaved(contestants, Plan(calls=1000)).values()]
    # Twenty rounds in orders of their own leave a few percent.
    assert max(medians) / min(medians) < 1.1
    sequential = FakeClock(drift=lambda now: 1 + now / 400_000)
    apart = [np.median(interleaved([sequential.contestant(name, 100)], Plan(calls=1000))[name]) for name in "abcdef"]
    assert max(apart) / min(apart) > 1.5


def test_a_slow_contestant_gets_fewer_calls_but_never_too_few():
    clock = FakeClock()
    plan = Plan(calls=1000, fewest=40, seconds=1.0, rounds=20)
    contestants = [clock.contestant("fast", 1_000), clock.contestant("medium", 10_000_000)]
    contestants.append(clock.contestant("slow", 400_000_000))
    times = interleaved(contestants, plan)
    assert {name: len(each) for name, each in times.items()} == {"fast": 1000, "medium": 100, "slow": 40}


def test_prepare_comes_before_each_block_and_is_not_timed():
    clock = FakeClock()
    prepared = []

    def prepare():
        prepared.append(len(clock.calls))
        clock.now += 1_000_000

    contestant = Calls("a", clock.contestant("a", 10).call, prepare, clock)
    times = interleaved([contestant], Plan(calls=20, rounds=4, warm_up=2))
    assert set(times["a"].tolist()) == {10}
    assert prepared == [0, 2, 6, 16, 26, 36]


def test_a_contestant_may_keep_its_own_clock():
    asked = []

    class Elsewhere:
        name = "elsewhere"

        def block(self, calls):
            asked.append(calls)
            return [7_000] * calls

    times = interleaved([Elsewhere()], Plan(calls=20, rounds=4, warm_up=3))
    assert times["elsewhere"].tolist() == [7_000] * 20
    assert asked == [1, 3, 5, 5, 5, 5]


def test_the_garbage_collector_is_back_after_an_error():
    def fail():
        assert not gc.isenabled()
        raise ValueError("planted")

    calls = iter([None, None, None])

    def call():
        next(calls, fail) and fail()

    with pytest.raises(ValueError, match="planted"):
        interleaved([Calls("a", call, clock=FakeClock())], Plan(calls=4, rounds=1, warm_up=2))
    assert gc.isenabled()


def test_percentiles_of_a_known_sample():
    latency = summary(np.arange(1, 102) * 1000)
    assert (latency.p50_us, latency.p95_us, latency.p99_us, latency.calls) == (51.0, 96.0, 100.0, 101)


def test_the_timer_reports_its_own_cost():
    ticks = iter(range(0, 10**9, 25))
    assert timer_cost(lambda: next(ticks)) == 25.0
