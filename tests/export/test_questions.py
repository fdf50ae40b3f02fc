"""A head's question in words."""

import pytest

from nearsight.heads import BinaryHead, NextEventHead
from nearsight_export.questions import question

WEEK = 7 * 86_400.0


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ({"events": ("buy", "rent"), "within_seconds": WEEK}, "will buy or rent happen within 7 days?"),
        ({"kind": "inactive", "within_seconds": WEEK}, "will nothing happen for 7 days?"),
        ({"kind": "inactive", "events": ("buy",), "within_seconds": WEEK}, "will no buy happen for 7 days?"),
        (
            {"kind": "inactive", "within_seconds": WEEK, "active_within_seconds": 3600.0},
            "will nothing happen for 7 days, asked of who was active within 1 hour?",
        ),
        ({"events": ("buy",), "within_events": 1}, "will buy be among the next 1 event?"),
        ({"events": ("buy", "rent"), "within_events": 5}, "will buy or rent be among the next 5 events?"),
        (
            {"events": ("buy",), "session_gap_seconds": 1800.0},
            "will buy happen before the session ends, with 30 minutes of silence?",
        ),
        ({"kind": "label"}, "is the label 1?"),
    ],
)
def test_a_yes_or_no_question(head, words):
    assert question(BinaryHead(name="q", start=0, **head)) == f"q: {words} (yes from 50 % on)"


def test_the_next_event():
    assert question(NextEventHead(start=0, vocabulary=("a", "b"))) == "next_event: which of 2 events comes next?"
