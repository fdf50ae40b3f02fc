"""The accountant: what is spent is never more than the total, and what was answered is never drawn again."""

import random
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight import BudgetError, ReportError, SnapshotError
from nearsight.report import Budget, Chance, Number, YesNo, answer

DAY = 86_400
NOW = 1_700_000_000.0
FAIR = Chance(random.Random(3).getrandbits)


class Failing(Chance):
    def below(self, end):
        raise OSError("no randomness")


def asked(name, epsilon, truth=True, budget=None, **more):
    return answer(YesNo(name, epsilon), truth, Budget(2.0) if budget is None else budget, chance=FAIR, **more)


@given(
    st.sampled_from([0.1, 0.3, 1.0, 2.5]),
    st.none() | st.sampled_from([1, DAY, 30 * DAY]),
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.sampled_from([0.1, 0.3, 0.7, 1.1]), st.booleans(), st.floats(-9e5, 9e6)),
        max_size=30,
    ),
)
def test_no_period_costs_more_than_the_total_and_no_answer_is_drawn_twice(total, renews, asks):
    budget, drawn, time = Budget(total, renews), {}, NOW
    for name, epsilon, truth, passed in asks:
        time += passed
        before = budget.snapshot()
        try:
            report = asked(name, epsilon, truth, budget, time=time)
        except (BudgetError, ReportError) as error:
            kept = Budget.restored(before)
            assert kept == budget or kept.period != budget.period
            same = drawn.get((budget.period, name))
            assert isinstance(error, BudgetError) if same is None else same.mechanism.epsilon != epsilon
            continue
        assert drawn.setdefault((report.period, name), report) == report
        budget = Budget.restored(budget.snapshot())
    for period in {period for period, _ in drawn}:
        costs = [report.mechanism.epsilon for (each, _), report in drawn.items() if each == period]
        assert sum(Fraction(str(cost)) for cost in costs) <= Fraction(str(total))
    assert budget.left >= 0


def test_ten_tenths_are_one():
    budget = Budget(1.0)
    for turn in range(10):
        asked(f"q{turn}", 0.1, budget=budget)
    assert budget.left == 0
    with pytest.raises(BudgetError):
        asked("one more", 0.001, budget=budget)


def test_a_refusal_says_what_is_left_and_what_was_asked():
    budget = Budget(2.0)
    asked("first", 1.5, budget=budget)
    said = r"question 'second' asks for ε = 1 where 0\.5 of 2 is left: ask fewer questions, or with a smaller ε"
    with pytest.raises(BudgetError, match=said):
        asked("second", 1.0, budget=budget)
    assert asked("second", 0.5, budget=budget).question == "second"


def test_averaging_tells_nothing_more_even_where_the_truth_changed():
    budget = Budget(1.0)
    first = asked("buys", 0.5, True, budget)
    assert {asked("buys", 0.5, turn % 2, budget) for turn in range(200)} == {first}
    assert budget.left == 0.5


def test_it_is_spent_before_it_is_drawn_and_not_again_for_the_same():
    budget = Budget(1.0)
    with pytest.raises(OSError, match="no randomness"):
        answer(YesNo("buys", 0.75), True, budget, chance=Failing())
    assert (budget.left, budget.answers) == (0.25, {})
    budget = Budget.restored(budget.snapshot())
    asked("buys", 0.75, budget=budget)
    assert budget.left == 0.25


@pytest.mark.parametrize("truth", [None, "yes", float("nan")])
def test_an_answer_that_does_not_fit_costs_nothing(truth):
    budget = Budget(1.0)
    with pytest.raises(ReportError, match="'buys' must be a number, received"):
        asked("buys", 0.5, truth, budget)
    assert budget == Budget(1.0)


def test_another_question_under_the_same_name_is_refused():
    budget = Budget(2.0)
    asked("spend", 0.5, budget=budget)
    for other in (YesNo("spend", 0.6), Number("spend", 0.5, low=0, high=9, step=1)):
        with pytest.raises(ReportError, match="a name of its own"):
            answer(other, 1.0, budget)
    assert budget.left == 1.5


def test_it_renews_only_where_that_is_declared_and_never_for_a_clock_that_jumps():
    forever, daily = Budget(1.0), Budget(1.0, DAY)
    for budget in (forever, daily):
        asked("buys", 1.0, budget=budget, time=NOW)
    with pytest.raises(BudgetError, match="fewer questions"):
        asked("other", 1.0, budget=forever, time=NOW + 365 * DAY)
    with pytest.raises(BudgetError, match="in the next period"):
        asked("other", 1.0, budget=daily, time=NOW - 365 * DAY)
    later = asked("other", 1.0, budget=daily, time=NOW + DAY)
    assert later.period == (NOW + DAY) // DAY * DAY
    with pytest.raises(BudgetError):
        asked("buys", 1.0, budget=daily, time=NOW)


@pytest.mark.parametrize("time", [None, NOW * 1000, float("nan")])
def test_a_budget_that_renews_needs_the_time_in_seconds(time):
    with pytest.raises(ReportError, match="seconds since 1970"):
        asked("buys", 1.0, budget=Budget(1.0, DAY), time=time)


@pytest.mark.parametrize(("total", "renews"), [(0.0, None), (-1.0, None), (float("inf"), None), (1.0, 0)])
def test_a_budget_that_means_nothing_is_refused(total, renews):
    with pytest.raises(ReportError, match="a budget"):
        Budget(total, renews)


def test_a_budget_that_does_not_add_up_is_refused():
    budget = Budget(1.0)
    asked("buys", 1.0, budget=budget)
    fields = msgspec.json.decode(budget.snapshot())
    for changes in ({"total": 0.5}, {"paid": {}}, {"format": 2}, {"left": 7}, {"paid": {"buys": "1"}}, {"answers": 3}):
        with pytest.raises(SnapshotError, match="budget"):
            Budget.restored(msgspec.json.encode({**fields, **changes}))
    with pytest.raises(SnapshotError, match="isn't a budget's snapshot"):
        Budget.restored(b"\xff\x00")
