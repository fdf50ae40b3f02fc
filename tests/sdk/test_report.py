"""What leaves the device: what it holds, what it doesn't, and which answers a reading gives by itself."""

import random
from collections import Counter

import msgspec
import pytest

import made_up
import nearsight
from nearsight import ReportError, report
from nearsight.backends.reference import load as numpy_backend
from nearsight.insight import Insight
from nearsight.report import Budget, Chance, Number, OneOf, Report, YesNo, answer
from nearsight.session import Model
from nearsight.testing import scripted

NOW = 1_700_000_000.0
HONEST = Chance(lambda count: (1 << count) - 1)  # the largest numbers stand for the true option


def fair():
    return Chance(random.Random(5).getrandbits)


@pytest.fixture(scope="module")
def session():
    """A user who viewed twice and put something in the cart once."""
    made = made_up.beside(made_up.bundle())
    backend = numpy_backend(made.members["step.npz"], made.manifest.trunk)
    found = Insight(made.manifest, Model(backend, made.manifest)).session()
    for turn, name in enumerate(("view", "cart", "view")):
        found.observe(name, NOW + turn, price=5.0)
    return found


def test_a_report_holds_the_question_the_noise_and_the_answer_and_nothing_else():
    found = answer(YesNo("buys", 1.0), True, Budget(1.0, 86_400), time=NOW, chance=HONEST)
    assert found.encoded() == (
        b'{"format":1,"question":"buys","mechanism":{"type":"randomised_response","epsilon":1.0,'
        b'"options":["no","yes"]},"value":1,"period":1699920000}'
    )
    assert Report.decoded(found.encoded()) == found
    spend = answer(Number("spend", 0.5, low=0, high=100, step=0.5), 12.3, Budget(1.0), chance=fair())
    assert set(msgspec.json.decode(spend.encoded())) == {"format", "question", "mechanism", "value", "period"}
    assert spend.period is None
    assert Report.decoded(spend.encoded()) == spend


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"format":2,"answer":1}', "format 2 where formats up to 1 are read: update"),
        (b'{"format":1}', "isn't a report"),
        (b"[]", "isn't a report"),
        (b"\xff", "isn't a report"),
        (b'{"question":"q","value":2,"mechanism":{"type":"randomised_response","epsilon":1.0,"options":["no","yes"]}}',
         "no device reports the value 2"),
        (b'{"question":"q","value":0,"mechanism":{"type":"randomised_response","epsilon":99,"options":["no","yes"]}}',
         "must lie between"),
    ],
)  # fmt: skip
def test_what_is_not_a_report_is_refused(line, said):
    with pytest.raises(ReportError, match=said):
        Report.decoded(line)


@pytest.mark.parametrize(
    ("question", "truth", "value"),
    [
        (YesNo("q", 1.0, threshold=0.3), 0.3, 1),
        (YesNo("q", 1.0, threshold=0.3), 0.299, 0),
        (YesNo("q", 1.0), False, 0),
        (OneOf("q", 1.0, ("a", "b", "c")), "b", 1),
        (OneOf("q", 1.0, ("a", "b"), "rest"), "b", 1),
        (OneOf("q", 1.0, ("a", "b"), "rest"), "z", 2),
        (OneOf("q", 1.0, ("a", "b"), "rest"), None, 2),
    ],
)
def test_an_answer_without_noise_is_the_truth(question, truth, value):
    assert answer(question, truth, Budget(1.0), chance=HONEST).value == value


def test_a_refused_answer_is_never_shown():
    with pytest.raises(ReportError, match="one of its 2 options, received another str") as refused:
        answer(OneOf("kind", 1.0, ("a", "b")), "secret", Budget(1.0))
    assert "secret" not in str(refused.value)


def test_a_reading_decides_by_its_own_threshold():
    reading = scripted([{"purchase": 0.7, "cart": 0.2}]).session().observe("view", time=NOW)
    values = {
        name: Counter(report.decision(reading, name, Budget(10.0), epsilon=10.0).value for _ in range(50))
        for name in ("purchase", "cart")
    }
    assert values["purchase"][1] > 40  # each differs with a chance below 1e-4
    assert values["cart"][0] > 40
    with pytest.raises(KeyError, match="purchase"):
        report.decision(reading, "leaves", Budget(1.0), epsilon=1.0)


def test_a_reading_reports_its_segment(session):
    reading = session.score(NOW + 9)
    found = report.segment(reading, Budget(10.0), epsilon=10.0)
    assert found.mechanism.options == reading.segment_names == ("kind 0", "kind 1", "kind 2")
    again = Counter(report.segment(reading, Budget(10.0), epsilon=10.0).value for _ in range(50))
    assert reading.segment_names[again.most_common(1)[0][0]] == reading.segment


def test_a_session_reports_its_favourite(session):
    budget = Budget(10.0)
    drawn = [report.favourite(session, ["cart", "view"], Budget(10.0), epsilon=10.0).value for _ in range(50)]
    assert Counter(drawn).most_common(1)[0][0] == 1
    other = [report.favourite(session, ["cart", "purchase"], Budget(10.0), epsilon=10.0).value for _ in range(50)]
    assert Counter(other).most_common(1)[0][0] == 2
    assert report.favourite(session, ["cart"], budget, epsilon=1.0).mechanism.options == ("cart", "another")
    assert budget.left == 9


def test_what_a_model_does_not_offer_is_not_reported():
    empty = scripted([{"purchase": 0.7}]).session()
    reading = empty.observe("view", time=NOW)
    with pytest.raises(ReportError, match="2 to 1000 different options, received 0"):
        report.segment(reading, Budget(1.0), epsilon=1.0)
    with pytest.raises(ReportError, match="a session that keeps no profile"):
        report.favourite(empty, ["view"], Budget(1.0), epsilon=1.0)


def test_the_public_names_are_there():
    assert all(hasattr(report, name) for name in report.__all__)
    assert issubclass(nearsight.BudgetError, nearsight.NearsightError)
    assert issubclass(nearsight.ReportError, nearsight.NearsightError)
