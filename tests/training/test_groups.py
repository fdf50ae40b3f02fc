"""Numbers that are read in groups: what is learned of them, and that nothing finer is kept."""

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight.spec import Groups
from nearsight.values import groups as grouped
from nearsight_training.columns import Table
from nearsight_training.config import LogConfig, Target
from nearsight_training.declaration import grouping, read_declaration
from nearsight_training.draft import draft
from nearsight_training.groups import coarse, fit_groups
from nearsight_training.log import log_of
from nearsight_training.preparation import prepare
from training.conftest import DAY, make_log


def people(*ages):
    """Three events for each, a user of their own."""
    return np.repeat(np.array(ages, np.float64), 3), np.repeat(np.arange(len(ages)), 3)


def test_users_are_parted_evenly_not_events():
    """One user with half of the events doesn't move the middle."""
    values = np.append(np.arange(20.0, 40.0), np.full(20, 21.0))
    owners = np.append(np.arange(20), np.ones(20, int))
    groups, notes = fit_groups("age", 2, values, owners, 2)
    assert groups.edges == (30.0,)
    assert notes == ()


def test_edges_have_few_digits_and_are_nobodys_income():
    values, owners = people(*np.random.default_rng(0).lognormal(10, 0.5, 400))
    edges = fit_groups("income", 4, values, owners, 5)[0].edges
    assert len(edges) == 3
    assert not set(edges) & set(values.tolist())
    counts = np.bincount(grouped("income", edges, np.unique(values)))
    assert counts[1:].tolist() == [100] * 4
    assert all(float(f"{edge:.4g}") == edge for edge in edges)


def test_a_group_of_too_few_users_is_joined_to_the_smaller_one_beside_it():
    values, owners = people(20, 21, 22, 23, 40, 41, 42, 70)
    groups, notes = fit_groups("age", (18.0, 30.0, 65.0), values, owners, 2)
    assert groups.edges == (30.0,)  # nobody is below 18, and who is 70 joins those of 40 and more
    assert notes == ("age: grouped without an edge at 18, 65, beside which fewer than 2 users are",)


@pytest.mark.parametrize("asked", [4, (30.0, 40.0)])
def test_a_field_without_two_groups_is_left_out(asked):
    values, owners = people(20, 20, 20, 20, np.nan)
    assert fit_groups("age", asked, values, owners, 2) == (
        None,
        ("age: left out, fewer than two of its groups have 2 users each",),
    )
    assert fit_groups("age", asked, np.full(4, np.nan), np.arange(4), 2)[0] is None


PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 40) | st.floats(-1e5, 1e5)), min_size=1, max_size=60)


@given(PAIRS, st.integers(2, 8) | st.just((0.0, 10.0, 20.0)), st.integers(1, 4))
def test_every_group_has_enough_users(pairs, asked, least):
    owners, values = np.array([who for who, _ in pairs]), np.array([float(value) for _, value in pairs])
    groups, _ = fit_groups("x", asked, values, owners, least)
    if groups is None:
        return
    codes = grouped("x", groups.edges, values)
    assert all(len(set(owners[codes == code].tolist())) >= least for code in range(1, len(groups.edges) + 2))
    assert isinstance(asked, int) or set(groups.edges) <= set(asked)


@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.sampled_from([18.0, 30.0]), min_size=1, max_size=20))
def test_a_coarse_log_has_the_same_groups_and_no_exact_values(values):
    groups = Groups(name="age", edges=(18.0, 30.0))
    exact = np.array([np.nan if value is None else value for value in values])
    log = make_log([(time, "e") for time in range(len(values))], fields={"age": exact})
    rough = coarse(log, [groups]).fields["age"]
    assert grouped("age", groups.edges, rough).tolist() == grouped("age", groups.edges, exact).tolist()
    assert len(np.unique(rough[~np.isnan(rough)])) <= 3
    assert log.fields["age"] is exact


def shop(tmp_path=None):
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(200), 6)
    frame = pl.DataFrame(
        {
            "user": users,
            "time": 1.6e9 + np.tile(np.arange(6), 200) * 5 * DAY + rng.random(1200) * DAY,
            "event": rng.choice(["view", "buy"], 1200, p=[0.7, 0.3]),
            "age": rng.integers(18, 80, 200)[users] + 0.25,
            "income": rng.lognormal(10, 0.5, 200)[users].round(2),
            "ip_age": rng.integers(0, 40, 200)[users],
            "name": rng.choice(["x", "y"], 1200),
        }
    )
    if tmp_path is not None:
        frame.write_csv(tmp_path / "shop.csv")
    return Table("shop.csv", frame, 2)


BUY = Target(name="buys", events=("buy",), within_seconds=5 * DAY)
CONFIG = LogConfig(split="user", targets=(BUY,), fields=(), groups={"age": (18.0, 30.0, 65.0), "income": 5})


def test_nothing_of_a_training_knows_an_exact_age():
    prepared = prepare(log_of(shop(), CONFIG), CONFIG)
    ages, incomes = prepared.spec.groups
    assert (ages.edges, len(incomes.edges)) == ((30.0, 65.0), 4)
    assert prepared.spec.numbers == ()
    assert "age: grouped without an edge at 18, beside which fewer than 5 users are" in prepared.notes
    kept = prepared.histories.fields
    assert {name: len(np.unique(values)) for name, values in kept.items()} == {"age": 3, "income": 5}
    assert not (kept["age"] % 1 == 0.25).any()
    assert msgspec.json.decode(msgspec.json.encode(prepared.spec))["groups"][0] == {
        "name": "age",
        "edges": [30.0, 65.0],
    }


@pytest.mark.parametrize(("groups", "categories"), [({"name": 2}, ()), ({"age": 2}, ("age",))])
def test_what_is_read_in_groups_must_be_numbers(groups, categories):
    config = LogConfig(groups=groups, categories=categories)
    with pytest.raises(InputError, match=r"column '(name|age)' must hold numbers"):
        log_of(shop(), config)
    with pytest.raises(InputError, match="nowhere"):
        log_of(shop(), LogConfig(groups={"nowhere": 2}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("age=18,30", ("age", (18.0, 30.0))), ("a=b=5", ("a=b", 5)), ("x=-1.5", ("x", (-1.5,))), ("x=2,", None)],
)
def test_groups_as_an_option_says_them(text, expected):
    if expected is None:
        with pytest.raises(InputError, match="must look like age=18,30,45,65 or age=5"):
            grouping(text)
    else:
        assert grouping(text) == expected


@pytest.mark.parametrize(
    "text", ["age", "=5", "age=", "age=old", "age=1", "age=0", "age=30,18", "age=nan,3", "age=101"]
)
def test_groups_that_cannot_be(text):
    with pytest.raises(InputError, match=r"groups .* received|in 2 to 100 groups"):
        grouping(text)


def test_groups_as_a_file_says_them(tmp_path):
    path = tmp_path / "shop.toml"
    path.write_text("[log]\nfields = []\n\n[log.groups]\nage = [18, 30]\nincome = 5\n")
    assert read_declaration(path).config().groups == {"age": (18.0, 30.0), "income": 5}
    path.write_text("[log]\ngroups = { age = [30, 18] }\n")
    with pytest.raises(InputError, match=r"groups of age need .* ascending order, received 30, 18"):
        read_declaration(path).config()
    path.write_text('[log]\nuser = "u"\ngroups = { age = "old" }\n')
    with pytest.raises(InputError, match="line 3"):
        read_declaration(path)


def test_a_first_declaration_reads_ages_and_incomes_in_groups(tmp_path):
    shop(tmp_path)
    groups = draft(tmp_path / "shop.csv").declaration.log.groups
    assert groups == {"age": (25.0, 35.0, 45.0, 55.0, 65.0), "income": 5}  # the age of a network address is no person's
