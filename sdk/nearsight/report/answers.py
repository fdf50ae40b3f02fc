"""Answers that may leave the device: to any question, and to those that a reading or a session answers by itself."""

from collections.abc import Sequence

from nearsight.errors import ReportError
from nearsight.heads import Reading
from nearsight.report.budget import Budget
from nearsight.report.chance import Chance
from nearsight.report.message import Report
from nearsight.report.questions import OneOf, Question, YesNo
from nearsight.session import Session

__all__ = ["answer", "decision", "favourite", "segment"]

_OTHER = "another"


def answer(
    question: Question, truth: object, budget: Budget, *, time: float | None = None, chance: Chance | None = None
) -> Report:
    """A report of `truth`, paid for from the user's `budget` before it is drawn.

    Where the question was answered in the budget's period, it is that report again, for nothing: send each but once.
    That a report comes at all isn't hidden, so don't choose whom to ask by what is asked.

    `time`, in seconds since 1970, is needed where the budget renews; `chance` is another source of bits than the
    system's, for tests. Raises `BudgetError` where too little is left and `ReportError` where the truth doesn't fit the
    question, or the question isn't what was asked under its name before; then nothing is spent.
    """
    mechanism, place = question.mechanism, question.place(truth)
    budget.begin(time)
    earlier = budget.earlier(question.name, mechanism)
    if earlier is not None:
        return earlier
    budget.pay(question.name, mechanism.epsilon)
    (value,) = mechanism.noised([place], chance or Chance())
    found = Report(question=question.name, mechanism=mechanism, value=value, period=budget.period)
    budget.answers[question.name] = found
    return found


def decision(reading: Reading, name: str, budget: Budget, *, epsilon: float, time: float | None = None) -> Report:
    """Whether the reading decides its question `name` with yes, as the question of that name.

    Raises `KeyError` for one that isn't asked, and as `answer` does.
    """
    return answer(YesNo(name, epsilon), reading.decides(name), budget, time=time)


def segment(reading: Reading, budget: Budget, *, epsilon: float, time: float | None = None) -> Report:
    """Which of the model's segments the reading lies in, as the question "segment".

    Raises `ReportError` where the model has fewer than two, and as `answer` does.
    """
    return answer(OneOf("segment", epsilon, reading.segment_names), reading.segment, budget, time=time)


def favourite(
    session: Session, events: Sequence[str], budget: Budget, *, epsilon: float, time: float | None = None
) -> Report:
    """Which of `events` the user did most among all events, or another one, as the question "favourite".

    Raises `ReportError` where the model keeps no profile or the session has no event, and as `answer` does.
    """
    profile = session.profile()
    if profile is None or not profile.shares:
        reason = "has no event yet" if profile else "keeps no profile"
        raise ReportError(f"a favourite needs events that were counted, received a session that {reason}: ask later")
    return answer(OneOf("favourite", epsilon, tuple(events), _OTHER), next(iter(profile.shares)), budget, time=time)
