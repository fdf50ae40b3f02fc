import doctest

import pytest

from nearsight import testing
from nearsight.testing import scripted


def test_answers_come_in_order_and_the_last_one_stays():
    session = scripted([{"buys": 0.25, "leaves": 0.5}, {"buys": 0.75, "leaves": 0.125}]).session()
    readings = [dict(session.observe("anything", time=float(t), colour="red")) for t in range(3)]
    assert readings == [{"buys": 0.25, "leaves": 0.5}] + 2 * [{"buys": 0.75, "leaves": 0.125}]
    assert session.score(10.0)["leaves"] == 0.125


def test_many_histories_and_snapshots_follow_the_script_too():
    insight = scripted([{"buys": 0.25}, {"buys": 0.75}])
    assert insight.score_many([[("a", 0.0)], [("a", 0.0), ("b", 1.0)]])["buys"].tolist() == [0.25, 0.75]
    session = insight.session()
    session.observe("a", time=0.0)
    assert insight.session(session.snapshot()).observe("b", time=1.0)["buys"] == 0.75


@pytest.mark.parametrize("answers", [[], [{}], [{"buys": 0.1}, {"leaves": 0.1}]])
def test_a_script_without_sense_is_refused(answers):
    with pytest.raises(ValueError, match="the same names"):
        scripted(answers)


def test_the_docstring_runs():
    assert doctest.testmod(testing) == (0, 2)
