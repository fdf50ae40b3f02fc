"""A look at a log finds what was planted in it, and nothing in a clean one."""

import os
import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from nearsight.errors import InputError
from nearsight_training.columns import Table
from nearsight_training.datasets import bpic2012
from nearsight_training.roles import Roles, find_roles
from nearsight_training.rows import usable_rows
from nearsight_training.survey import surveyed

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
HEADER = ("user_id", "timestamp", "event", "price", "plan")


def clean(users=600):
    """Rows of people who look, put into the basket and buy over some months, without anything odd."""
    rng = random.Random(5)
    rows = []
    for user in range(users):
        time = BEGIN + timedelta(days=rng.uniform(0, 20))
        names = ["view", *rng.choices(["view", "cart", "buy"], [6, 1, 1], k=rng.randint(2, 7))]
        names = [name if name != "view" or user % 9 else "cart" for name in names]
        for name in names:
            rows.append(
                [f"u{user}", time.isoformat(), name, round(rng.uniform(1, 90), 2), rng.choice(["free", "paid"])]
            )
            time += timedelta(days=rng.expovariate(1 / 5))
    return rows


def table(rows, header=HEADER):
    return Table("log.csv", pl.DataFrame(rows, list(header), orient="row", strict=False).cast(pl.String), 2)


def looked(rows, header=HEADER):
    found = table(rows, header)
    return surveyed(usable_rows(found, find_roles(found), "row"))


def with_column(name, value):
    """The clean log with a further column, `value(row, user)`."""
    return [[*row, value(row, int(row[0][1:]))] for row in clean()], (*HEADER, name)


def doubts(rows, header=HEADER):
    return {doubt.about: doubt.text for doubt in looked(rows, header).doubts}


def field(name, rows, header):
    return next(each for each in looked(rows, header).fields if each.name == name)


def test_a_clean_log_has_nothing_odd():
    survey = looked(clean())
    assert survey.doubts == ()
    assert survey.roles == Roles(user="user_id", time="timestamp", event="event")
    assert [(each.name, each.kind) for each in survey.fields] == [("price", "numbers"), ("plan", "names")]


def test_figures_are_those_of_a_log_counted_by_hand():
    rows = [
        *(["a", "2025-01-01T00:00:00", "view"], ["a", "2025-01-02T12:00:00", "buy"], ["a", "2025-01-03", "view"]),
        *(["b", "2025-01-01T06:00:00", "view"], ["c", "2025-01-11T00:00:00", "view"], ["c", "", "view"]),
    ]
    survey = looked(rows, HEADER[:3])
    assert (survey.rows, survey.events, survey.users) == (6, 5, 3)
    assert (survey.first, survey.last, survey.span_seconds) == ("2025-01-01", "2025-01-11", 10 * 86400)
    assert (survey.median_events_per_user, survey.most_events_per_user) == (1, 3)
    assert [(kind.name, kind.events, kind.share_of_users) for kind in survey.kinds] == [
        ("view", 4, 1.0),
        ("buy", 1, pytest.approx(1 / 3)),
    ]


def test_rows_that_lack_something_are_counted():
    rows = clean()
    rows += [["", *rows[0][1:]], ["", *rows[1][1:]], [rows[2][0], None, *rows[2][2:]], [*rows[3][:2], "", *rows[3][3:]]]
    survey = looked(rows)
    assert survey.lacking == 4
    assert [doubt.text.split(":")[0] for doubt in survey.doubts] == [
        "2 rows are without a user",
        "1 row is without a time",
        "1 row is without an event",
    ]


def test_a_wrong_time_is_told_by_its_line_beneath_rows_that_lack_one():
    rows = clean()
    rows[1][1], rows[30][1] = "", "soon"
    with pytest.raises(InputError, match=r"line 32: .* received what is spelled like 'xxxx'"):
        looked(rows)


def test_rows_that_are_there_twice():
    rows = clean()
    assert doubts([*rows, *rows[:3]])["duplicates"].startswith("3 rows are the same")
    assert (looked(rows).repeats, looked([*rows, *rows[:3]]).repeats) == (0, 3)


def test_rows_that_are_the_same_in_all_that_is_read():
    """A column of which every row has a value of its own isn't read, so that it tells none from its copy."""
    rows, header = clean(), (*HEADER, "receipt_id")
    survey = looked([[*row, f"r{k}"] for k, row in enumerate([*rows, *rows[:3]])], header)
    assert survey.repeats == 3
    assert "duplicates" not in {doubt.about for doubt in survey.doubts}


def test_dates_without_a_clock():
    rows = [[row[0], row[1][:10], *row[2:]] for row in clean()]
    assert set(doubts(rows)) == {"dates"}


def test_bots_are_counted_and_not_named():
    rows = clean()
    rows += [["bot", (BEGIN + timedelta(seconds=k / 4)).isoformat(), "view", k, "free"] for k in range(400)]
    found = doubts(rows)
    assert set(found) == {"bursts", "crowds"}
    assert looked(rows).bots == 1
    assert found["bursts"].startswith("1 user has more than 100 events within a minute")
    assert "'bot'" not in " ".join(found.values())


def test_a_hundred_events_in_a_minute_are_not_too_many():
    rows = clean()
    rows += [["keen", (BEGIN + timedelta(seconds=k / 2)).isoformat(), "view", k, "free"] for k in range(100)]
    assert "bursts" not in doubts(rows)


def test_few_users():
    assert set(doubts(clean(100))) == {"few users"}


def test_events_of_nobody_and_of_everybody():
    rows = clean()
    rows += [[row[0], row[1], "open", row[3], row[4]] for row in clean()]
    rows += [[f"u{k}", BEGIN.isoformat(), "error", 1, "free"] for k in range(5)]
    found = doubts(rows)
    assert set(found) == {"rare", "common"}
    assert "'error'" in found["rare"]
    assert "'open'" in found["common"]


def luhn(number):
    digits = [int(digit) for digit in f"{number}0"]
    check = -sum(sum(divmod(d * (1 + k % 2), 10)) for k, d in enumerate(reversed(digits))) % 10
    return f"{number}{check}"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mail", lambda row, user: f"u{user}@shop.example", "e-mail"),
        ("contact", lambda row, user: f"+49 30 {123456 + user}", "phone"),
        ("phone", lambda row, user: 30_123_456 + user, "phone"),
        ("paid_with", lambda row, user: luhn(4_000_000_000_000_00 + 97 * user), "card"),
        ("ip", lambda row, user: f"10.0.{user % 200}.{user % 7}", "network"),
        ("last_name", lambda row, user: f"name{user % 40}", "who or where"),
        ("comment", lambda row, user: f"that was not what number {user} had in mind", "free text"),
    ],
)
def test_a_column_that_looks_personal_is_named_and_left_out(name, value, why):
    rows, header = with_column(name, value)
    found = field(name, rows, header)
    assert (found.kind, found.concern) == ("left out", "personal")
    assert why in found.why
    assert doubts(rows, header) == {"personal": f"left out as personal, in that `fields` doesn't list it: {name!r}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total", lambda row, user: 1_234_567.25 + user),
        ("order_number", lambda row, user: 4_000_000_000_001 + 7 * len(row[1]) + user % 50),
        ("slogan", lambda row, user: f"we are the number {user % 3} in town"),
        ("item", lambda row, user: f"white hanging heart holder {user % 60}"),
        ("version", lambda row, user: f"1.{user % 4}.2"),
        ("valid", lambda row, user: f"2025-0{1 + user % 9}-11"),
    ],
)
def test_what_only_resembles_something_personal_does_not_count(name, value):
    assert doubts(*with_column(name, value)) == {}


def test_a_column_that_knows_the_end_is_named_and_left_out():
    buyers = {row[0] for row in clean() if row[2] == "buy"}
    rows, header = with_column("receipt", lambda row, user: f"kind {user % 3}" if row[0] in buyers else "")
    found = field("receipt", rows, header)
    assert (found.kind, found.concern) == ("left out", "leak")
    assert "'buy'" in doubts(rows, header)["leak"]


@pytest.mark.parametrize(
    "value",
    [
        lambda row, user: "card" if row[2] == "buy" else "",  # known with the event and not before
        lambda row, user: f"kind {user % 3}" if user % 2 else "",  # filled for half of everybody
        lambda row, user: f"kind {user % 3}",
    ],
)
def test_a_column_that_does_not_know_the_end(value):
    assert "leak" not in doubts(*with_column("receipt", value))


@pytest.mark.parametrize(
    ("name", "value", "kind", "why"),
    [
        ("product_id", lambda row, user: len(row[1]) + user % 30, "names", ""),
        ("shop", lambda row, user: f"shop {user % 4}", "names", ""),
        ("stock", lambda row, user: f"{85000 + len(row[1]) + user % 30}{'A' * (user % 10 == 0)}", "names", ""),
        ("country", lambda row, user: "DE", "left out", "never varies"),
        ("note", lambda row, user: "", "left out", "empty"),
        ("self", lambda row, user: user, "left out", "rename"),
        ("receipt_id", lambda row, user: f"r{user}-{row[1]}-{row[3]}", "left out", "value of its own"),
        ("sent", lambda row, user: row[1], "left out", "times"),
        ("load", lambda row, user: "nan" if user == 3 else user, "left out", "NaN"),
        ("rare", lambda row, user: f"only {user // 2}", "left out", "5 users"),
    ],
)
def test_what_can_be_learned_from_a_column(name, value, kind, why):
    rows, header = with_column(name, value)
    found = field(name, rows, header)
    assert found.kind == kind
    assert why in found.why
    assert found.numbered == (name == "product_id")


@pytest.mark.parametrize(
    "header",
    [
        ("CustomerID", "InvoiceDate", "Action"),
        ("uid", "created_at", "type"),
        ("session ID", "ts", "activity"),
        ("case:concept:name", "time:timestamp", "concept:name"),
        ("visitorid", "event_time", "event_type"),
        ("who", "when it was", "what it was"),
    ],
)
def test_columns_are_found_by_name_and_by_content(header):
    user, time, event = header
    plain = [[*row[:3], row[3]] for row in clean()]
    assert find_roles(table(plain, (*header, "price"))) == Roles(user=user, time=time, event=event)


def test_a_name_does_not_make_a_column_that_its_content_belies():
    """A `type` of which no two rows are alike, a `user` that says new or not, a date of birth."""
    rows = [[f"t{k}", "1980-05-01", *row[:3]] for k, row in enumerate(clean())]
    found = find_roles(table(rows, ("type", "birth_date", "customer", "at", "step")))
    assert found == Roles(user="customer", time="at", event="step")


def test_a_log_without_names_of_events():
    rows = [[row[0], row[1][:10], row[3], "DE"] for row in clean()]
    assert find_roles(table(rows, ("customer", "date", "total", "country"))).event is None


@pytest.mark.parametrize(
    ("header", "rows", "sentence"),
    [
        (("x", "left", "at"), [[row[0], row[0], row[1]] for row in clean()], "received x, left, .* --user"),
        (("user", "x", "y"), [[row[0], row[1], row[1]] for row in clean()], "received x, y, .* --time"),
        (
            ("user", "at", "x", "y"),
            [[*row[:3], row[4]] for row in clean()],
            "received x, y, .* --event COLUMN, or --every NAME",
        ),
        (("user", "at"), [[f"u{k}", row[1]] for k, row in enumerate(clean())], "received user, whose values don't"),
        (("user", "clock"), [[row[0], "12:30"] for row in clean()], "needs a column of times"),
        (("user", "time"), [[row[0], "01.02.2025"] for row in clean()], "line 2: .* ISO 8601"),
        (("user", "time"), [[row[0], "1735689600000"] for row in clean()], "divide milliseconds by 1000"),
        (("user", "year", "month"), [[row[0], "2025", "3"] for row in clean()], "year, month apart: join them"),
        (("user;time",), [["u;2025-01-01"]] * 3, "separated by ';'"),
        (("user", "time"), [], "holds no events"),
    ],
)
def test_what_cannot_be_told_names_the_candidates_and_the_option(header, rows, sentence):
    with pytest.raises(InputError, match=sentence) as refused:
        find_roles(table(rows, header))
    assert "\n" not in str(refused.value)


def test_given_columns_are_taken_and_a_misspelt_one_suggests_the_nearest():
    found = table(clean())
    assert find_roles(found, event="plan").event == "plan"
    assert find_roles(found, alike=True).event is None
    with pytest.raises(InputError, match="did you mean --user 'user_id'"):
        find_roles(found, user="userid")
    with pytest.raises(InputError, match="must be different columns"):
        find_roles(found, user="plan", event="plan")


@pytest.mark.skipif(not os.environ.get("NEARSIGHT_DATA"), reason="NEARSIGHT_DATA isn't set, so there is no bpic2012")
def test_a_look_at_real_applications():
    """The challenge's figures: 13,087 applications, 262,200 events; 5,113 were accepted, 2,246 registered."""
    found = bpic2012()
    survey = surveyed(usable_rows(found, find_roles(found), "row"))
    kinds = {kind.name: kind for kind in survey.kinds}
    assert (survey.users, survey.events, len(kinds)) == (13_087, 262_200, 24)
    assert kinds["A_ACCEPTED"].share_of_users == pytest.approx(5113 / 13_087)
    assert kinds["A_REGISTERED"].events == 2246
    assert {doubt.about for doubt in survey.doubts} == {"rare", "common"}
