"""A first declaration asks what training can answer, and reads back as it was meant."""

import random
import tomllib
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight_training.commentary import commented
from nearsight_training.config import Cleaning
from nearsight_training.declaration import Columns, Declaration, Leaves, WillDo, read_declaration
from nearsight_training.doubts import BURST_EVENTS, Doubt, Kind
from nearsight_training.draft import draft, write_draft
from nearsight_training.fields import Field
from nearsight_training.log import read_log
from nearsight_training.preparation import prepare
from nearsight_training.proposal import proposals
from nearsight_training.roles import Roles
from nearsight_training.survey import Survey

DAY = 86_400.0
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", '"""', "a\nb", "\r", "\x00", "\x7f", "\x85", "\u2028", "# [log]", "]]", "käufe 🛒", " "]
)


def kinds(*shares):
    return tuple(Kind(name=name, events=100, share_of_users=share) for name, share in shares)


@pytest.fixture
def shop(logs):
    """Users who look in every day for ninety, of whom a third buy, every ten days."""
    histories = []
    for user in range(300):
        buys = user % 3 == 0
        names = ["buy" if buys and day % 10 == user % 10 else "look" for day in range(90)]
        histories.append([(day * DAY + 3600.0 * (user % 24), name) for day, name in enumerate(names)])
    return logs(*histories)


def test_a_horizon_makes_yes_readable_and_leaves_room_for_the_split(shop):
    """A third buy every ten days: after a share of d / 30 of the events within d days, but for the days that aren't."""
    (foreseen,) = (
        each for each in proposals(shop, kinds(("look", 1.0), ("buy", 1 / 3))) if each.question.name == "buy"
    )
    assert foreseen.question == WillDo(name="buy", events=("buy",), within="7d")
    assert foreseen.shares["3d"] == pytest.approx(0.1, abs=0.01)
    assert foreseen.shares["7d"] == pytest.approx(7 / 30, abs=0.01)
    assert "60d" not in foreseen.shares


def test_names_worth_foreseeing_come_before_others_and_steps_towards_them_do_not(logs):
    rng = random.Random(1)
    names = ["look", "purchase_viewed", "rest", "Order Completed"]
    log = logs(*[[(k * DAY * rng.uniform(0.5, 1), rng.choice(names)) for k in range(1, 60)] for _ in range(300)])
    sorted_log = logs(*[sorted(zip(log.times[s : s + 59], log.names[s : s + 59], strict=True)) for s in log.starts])
    asked = proposals(sorted_log, kinds(*((name, 0.3) for name in names)))
    assert [each.question.name for each in asked if isinstance(each.question, WillDo)] == ["order_completed"]


def test_leaving_lasts_longer_than_nearly_all_silences(logs):
    """Silences of two days, and users who leave at some time."""
    rng = random.Random(2)
    log = logs(*[[(2 * DAY * k + user, "look") for k in range(rng.randint(5, 40))] for user in range(300)])
    (leaving,) = (each.question for each in proposals(log, kinds(("look", 1.0))) if isinstance(each.question, Leaves))
    assert leaving == Leaves(name="leaves", span="3d")


def test_a_question_that_the_split_cannot_answer_is_not_asked(logs):
    """All that three users of sixty buy falls into one part of the split."""
    names = [["buy" if user < 3 and day % 5 == 0 else "look" for day in range(90)] for user in range(60)]
    log = logs(*[[(day * DAY + user, name) for day, name in enumerate(each)] for user, each in enumerate(names)])
    assert proposals(log, kinds(("look", 1.0), ("buy", 0.05))) == ()


def test_an_instant_has_no_horizon(logs):
    assert proposals(logs([(5.0, "buy")], [(5.0, "look")]), kinds(("buy", 0.5), ("look", 0.5))) == ()


def survey(names, user="u", time="t", event="e", fields=(), doubts=()):
    return Survey(
        source="log.csv",
        rows=9,
        events=9,
        users=3,
        first="2025-01-01",
        last="2025-01-02",
        span_seconds=DAY,
        median_events_per_user=3,
        most_events_per_user=5,
        roles=Roles(user=user, time=time, event=event),
        kinds=tuple(Kind(name=name, events=3, share_of_users=0.3) for name in names),
        fields=fields,
        doubts=doubts,
    )


@given(st.tuples(TEXTS, TEXTS, TEXTS), st.lists(TEXTS, min_size=1, max_size=20), st.lists(TEXTS, max_size=4), TEXTS)
def test_whatever_things_are_called_the_file_says_what_was_meant(tmp_path_factory, columns, names, others, file):
    user, time, event = columns
    declaration = Declaration(
        log=Columns(user=user, time=time, event=event, fields=tuple(others), categories=tuple(others[:1])),
        question=(
            WillDo(name=names[0], events=tuple(names), within="7d"),
            Leaves(name=f"{names[0]} leaves", span="30d"),
        ),
    )
    found = survey(
        names,
        *columns,
        fields=tuple(Field(name=name, kind="left out", why=name) for name in others),
        doubts=(Doubt(about="rare", text=names[-1]),),
    )
    shares = {names[0]: {"3d": 0.1, "7d": 0.2, "2w": 0.4}}
    text = commented(found, declaration, shares, Path(f"{file}.csv"), Path(f"{file}.toml"))
    path = tmp_path_factory.getbasetemp() / "odd.toml"
    path.write_bytes(text.encode())
    assert read_declaration(path) == declaration


def test_every_line_has_a_comment_and_what_is_commented_out_can_be_uncommented(tmp_path, shop_file):
    drafted = draft(shop_file)
    write_draft(drafted, shop_file, tmp_path / "shop.toml")
    text = (tmp_path / "shop.toml").read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line and not line.startswith(("#", "[", "kind")):
            assert lines[number - 1].startswith("#"), line
    alternatives = [line for line in lines if line.startswith(("# active_within", "# reset_after"))]
    assert len(alternatives) == 2
    for line in alternatives:
        tomllib.loads(line.removeprefix("# "))
    assert max(len(line) for line in lines if "nearsight train" not in line) <= 100


@pytest.fixture
def shop_file(tmp_path):
    """A third of the users buy; with a column of prices and one of addresses."""
    rows = [
        (f"u{user}", f"2025-0{1 + day // 28}-{1 + day % 28:02d}T{user % 24:02d}:00:00", day, user)
        for user in range(120)
        for day in range(0, 84 if user % 5 else 20 + user // 2, 1 + user % 4)
    ]
    frame = pl.DataFrame(rows, ["who_id", "created_at", "day", "user"], orient="row").select(
        pl.col("who_id").alias("user_id"),
        "created_at",
        pl.when((pl.col("user") % 3 == 0) & (pl.col("day") % 12 == 0))
        .then(pl.lit("buy"))
        .when(pl.col("day") % 5 == 0)
        .then(pl.lit("basket"))
        .otherwise(pl.lit("look"))
        .alias("event"),
        (pl.col("day") * 1.5).alias("price"),
        (pl.col("who_id") + "@shop.example").alias("mail"),
    )
    frame.write_csv(tmp_path / "shop.csv")
    return tmp_path / "shop.csv"


def test_training_can_ask_what_was_proposed(tmp_path, shop_file):
    """The split and the labels of training itself find both answers in each part."""
    drafted = draft(shop_file)
    write_draft(drafted, shop_file, tmp_path / "shop.toml")
    config = read_declaration(tmp_path / "shop.toml").config()
    assert (config.user, config.time, config.event, config.fields) == ("user_id", "created_at", "event", ("price",))
    assert "buy" in [target.name for target in config.targets]
    prepared = prepare(read_log(shop_file, config), config)
    assert [head.name for head in prepared.heads] == [*(target.name for target in config.targets), "next_event"]


def test_what_is_found_odd_is_offered_and_only_rows_that_training_refuses_are_dropped(tmp_path, shop_file):
    frame = pl.read_csv(shop_file)
    lacking = frame.head(4).with_columns(pl.lit(None, pl.String).alias("user_id"))
    fast = [(f"bot{k % 2}", f"2025-01-01T00:00:{k % 60:02d}.{k:03d}", "look", 1.5, "m") for k in range(400)]
    bots = pl.DataFrame(fast, frame.schema, orient="row")
    pl.concat([frame, frame.head(3), lacking, bots]).write_csv(tmp_path / "odd.csv")
    drafted = draft(tmp_path / "odd.csv")
    write_draft(drafted, tmp_path / "odd.csv", tmp_path / "odd.toml")
    text = " ".join((tmp_path / "odd.toml").read_text().replace("\n# ", " ").split())
    assert read_declaration(tmp_path / "odd.toml").config().clean == Cleaning(missing="drop")
    assert f"4 of {len(frame) + 407:,}: drop them" in text
    assert f"3 of {len(frame) + 403:,}: drop all but one" in text
    assert "2 of 122: drop them with all that they did" in text
    for line in ('duplicates = "drop"', f"most_per_minute = {BURST_EVENTS}"):
        Declaration(clean=msgspec.convert(tomllib.loads(line), Cleaning))
        assert f"# {line}" in (tmp_path / "odd.toml").read_text().splitlines()


def test_a_log_without_names_of_events_is_called_after_its_file(tmp_path, shop_file):
    orders = pl.read_csv(shop_file).select("user_id", "created_at", "price")
    orders.write_csv(tmp_path / "all_orders.csv")
    log = draft(tmp_path / "all_orders.csv").declaration.config()
    assert (log.event, log.every) == (None, "order")
    assert draft(tmp_path / "all_orders.csv", every="sale").declaration.config().every == "sale"


def test_a_file_that_is_there_is_replaced_by_force_alone(tmp_path, shop_file):
    drafted, out = draft(shop_file), tmp_path / "shop.toml"
    out.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        write_draft(drafted, shop_file, out)
    assert out.read_text() == "mine"
    write_draft(drafted, shop_file, out, force=True)
    assert read_declaration(out) == drafted.declaration
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.csv", "shop.toml"]


def test_a_log_that_answers_nothing_says_so(tmp_path):
    (tmp_path / "log.csv").write_text("user,time,shade\n" + "a,2025-01-01,1\na,2025-01-01,2\nb,2025-01-01,3\n")
    with pytest.raises(InputError, match=r"answers no question.* all called 'event': .* --event with one of shade"):
        draft(tmp_path / "log.csv")
