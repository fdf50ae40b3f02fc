"""What may leave the device: answers that are differentially private before anybody else sees them.

    budget = report.Budget(2.0)
    sent = report.answer(report.YesNo("buys", epsilon=1.0), reading["purchase"], budget)
    sent.encoded()

Nothing here sends anything: that is the app's part.
"""

from nearsight.report.answers import answer, decision, favourite, segment
from nearsight.report.budget import Budget
from nearsight.report.chance import Bits, Chance, system_bits
from nearsight.report.mechanisms import DiscreteLaplace, Mechanism, RandomisedResponse
from nearsight.report.message import Report
from nearsight.report.questions import Number, OneOf, Question, YesNo

__all__ = [
    "Bits",
    "Budget",
    "Chance",
    "DiscreteLaplace",
    "Mechanism",
    "Number",
    "OneOf",
    "Question",
    "RandomisedResponse",
    "Report",
    "YesNo",
    "answer",
    "decision",
    "favourite",
    "segment",
    "system_bits",
]
