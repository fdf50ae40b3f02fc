"""What a person declares becomes a configuration, or one sentence that says what is wrong."""

import pytest

from nearsight.errors import InputError
from nearsight.spec import Reset
from nearsight_training.config import Cleaning, Decision, Fitting, Inactive, Label, LogConfig, Privacy, Target, Value
from nearsight_training.declaration import read_declaration, seconds

SHOP = """
next_event = false

[log]
user = "who"
time = "when"
event = "what"
fields = ["price"]
categories = ["shop"]
min_users = 9
reset_after = "12h"
reset_events = 50

[clean]
missing = "drop"
duplicates = "drop"
most_per_minute = 100

[[question]]
kind = "will_do"
name = "buys"
events = ["buy", "rent"]
within = "7d"

[[question]]
kind = "inactive"
name = "leaves"
for = "30d"
events = ["open"]
active_within = "2w"
"""
DAY = 86_400.0


@pytest.fixture
def declared(tmp_path):
    def read(text):
        (tmp_path / "shop.toml").write_text(text)
        return read_declaration(tmp_path / "shop.toml").config()

    return read


def test_everything_that_can_be_declared(declared):
    assert declared(SHOP) == LogConfig(
        user="who",
        time="when",
        event="what",
        fields=("price",),
        categories=("shop",),
        min_users=9,
        reset=Reset(gap_seconds=DAY / 2, max_events=50),
        clean=Cleaning(missing="drop", duplicates="drop", most_per_minute=100),
        targets=(
            Target(name="buys", events=("buy", "rent"), within_seconds=7 * DAY),
            Inactive(name="leaves", within_seconds=30 * DAY, events=("open",), active_within_seconds=14 * DAY),
        ),
        next_event=False,
    )


def test_nothing_declared_is_what_training_does_by_default(declared):
    assert declared("") == LogConfig()
    assert declared('[log]\nevery = "order"\n') == LogConfig(event=None, every="order")


def test_a_promise_of_privacy_can_be_declared(declared):
    assert declared("[private]\nepsilon = 2\nclip_norm = 0.5\n").fitting == Fitting(
        private=Privacy(epsilon=2.0, clip_norm=0.5)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[log]\nreset_events = 0\n", "reset_events"),
        ("[log]\nmin_users = 0\n", "min_users"),
        ('[log]\nreset_after = "soon"\n', "received 'soon'"),
        ('[clean]\nmissing = "keep"\n', "missing"),
        ('[clean]\nduplicates = "refuse"\n', "duplicates"),
        ("[clean]\nmost_per_minute = 0\n", "most_per_minute must be at least 1, received 0"),
        ("[clean]\nbots = 9\n", "bots"),
        ("[private]\ndelta = 1e-6\n", "epsilon"),
        ("[private]\nepsilon = 0.0\n", "epsilon lies above 0"),
        ("next_event = 1\n", "next_event"),
        ('[[question]]\nkind = "will_do"\nname = "q"\nevents = ["a"]\n', "within"),
        ('[[question]]\nname = "q"\n', "kind"),
        ('[[questions]]\nname = "q"\n', "questions"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(declared, text, words):
    with pytest.raises(InputError, match=words) as refused:
        declared(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("7d", 604800), ("12h", 43200), ("30m", 1800), ("90s", 90), ("2w", 1209600), ("1.5h", 5400)]
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-3d", "0d", "7y", "infd"])
def test_other_durations_are_refused(text):
    with pytest.raises(InputError, match="must look like"):
        seconds(text)


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        ("2h", {"within_seconds": 7200.0}),
        ("1 event", {"within_events": 1}),
        ("5 events", {"within_events": 5}),
        ("session", {"session_gap_seconds": 1800.0}),
    ],
)
def test_a_horizon_is_a_duration_a_count_or_the_session(declared, within, expected):
    question = f'[[question]]\nkind = "will_do"\nname = "q"\nevents = ["buy"]\nwithin = "{within}"\nmiss_costs = 3'
    (target,) = declared(f'[log]\nreset_after = "30m"\n{question}').targets
    assert target == Target(name="q", events=("buy",), decision=Decision(miss_costs=3), **expected)


def test_a_session_needs_to_be_defined(declared):
    question = '[[question]]\nkind = "will_do"\nname = "q"\nevents = ["buy"]\nwithin = "session"'
    with pytest.raises(InputError, match="received none: add reset_after"):
        declared(question)


def test_a_decision_that_contradicts_itself_is_refused_with_its_place(declared):
    question = '[[question]]\nkind = "inactive"\nname = "q"\nfor = "7d"\nprecision = 0.5\nmiss_costs = 2'
    with pytest.raises(InputError, match=r"not by both.*question"):
        declared(question)


WRONG = """# what a shop asks
next_event = true

[log]
user = "who"
{log}

[[question]]
kind = "inactive"
name = "leaves"
for = "30d"

[[question]]
kind = "{kind}"
name = "buys"
events = ["buy"]
{within} = {duration}
"""
RIGHT = {"log": "", "kind": "will_do", "within": "within", "duration": '"7d"'}


@pytest.mark.parametrize(
    ("change", "line", "advice"),
    [
        ({"within": "withn"}, 17, "did you mean 'within'?"),
        ({"kind": "wil_do"}, 14, "did you mean 'will_do'?"),
        ({"log": 'tme = "when"'}, 6, "did you mean 'time'?"),
        ({"duration": "7"}, 17, "correct it"),
        ({"within": "precision", "duration": "0.5"}, 13, "correct it"),
        ({"log": "min_users = 0"}, 6, "correct it"),
        ({"log": 'zzz = "when"'}, 6, "correct it"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_by_line_and_key_with_the_nearest_word(declared, change, line, advice):
    with pytest.raises(InputError) as caught:
        declared(WRONG.format(**RIGHT | change))
    assert f"shop.toml, line {line} isn't a declaration of questions (" in str(caught.value)
    assert str(caught.value).endswith(f"): {advice}")


def test_a_word_above_all_tables_is_found_as_well(declared):
    with pytest.raises(InputError, match=r"line 2 isn't .*unknown field `next_evnt`.*: did you mean 'next_event'\?"):
        declared("# a comment\nnext_evnt = true\n[log]\nuser = 'x'\n")


def test_numbers_late_labels_and_rhythms_are_declared(declared):
    found = declared("""
[log]
reset_after = "30m"
[[question]]
kind = "value"
name = "score"
field = "stars"
how = "next"
events = ["survey"]
within = "14d"
coverage = 0.8
[[question]]
kind = "label"
name = "fraud"
column = "chargeback"
per = "session"
yes = ["lost"]
delay = "90d"
[[question]]
kind = "inactive"
name = "leaves"
for = "30d"
rhythm = 3.0
""")
    assert found.values == (
        Value(name="score", field="stars", within_seconds=14 * DAY, how="next", events=("survey",), coverage=0.8),
    )
    fraud, leaves = found.targets
    assert fraud == Label(
        name="fraud",
        column="chargeback",
        per="session",
        yes=("lost",),
        delay_seconds=90 * DAY,
        session_gap_seconds=1800.0,
    )
    assert leaves == Inactive(name="leaves", within_seconds=30 * DAY, rhythm=3.0)
    assert found.horizon_seconds == 90 * DAY + 1800


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "label"\nname = "f"\ncolumn = "c"\ndelay = "9d"\nper = "session"', "needs the gap that ends one"),
        ('kind = "label"\nname = "f"\ncolumn = "c"', "delay"),
        ('kind = "value"\nname = "f"\nfield = "c"\nwithin = "9d"\ncoverage = 1.5', "between 0 and 1"),
        ('kind = "inactive"\nname = "f"\nfor = "9d"\nrhythm = -1', "positive multiple"),
    ],
)
def test_what_contradicts_itself_is_refused(declared, text, words):
    with pytest.raises(InputError, match=words):
        declared(f"[[question]]\n{text}\n")
