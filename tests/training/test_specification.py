"""What the specification learns, on columns whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearsight.errors import InputError
from nearsight.features import Encoder
from nearsight_training.specification import fit_category, fit_number, fit_spec
from training.conftest import DAY, make_log


def test_a_value_of_too_few_users_gets_no_entry():
    """`x` occurs most often but has one user only."""
    values = np.array(["x"] * 9 + ["y", "y", "z", "z", "z", ""])
    owners = np.array([0] * 9 + [0, 1, 0, 1, 2, 2])
    assert fit_category("f", values, owners, 2).vocabulary == ("z", "y")
    assert fit_category("f", values, owners, 1).vocabulary == ("z", "y", "x")


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), min_size=1), st.integers(1, 5))
def test_every_entry_has_enough_users_and_nothing_with_enough_is_missing(pairs, least):
    values, owners = np.array([value for value, _ in pairs]), np.array([owner for _, owner in pairs])
    users = {value: len({owner for other, owner in pairs if other == value}) for value in set(values.tolist())}
    found = fit_category("f", values, owners, least).vocabulary
    assert set(found) == {value for value, count in users.items() if count >= least}
    assert [users[name] for name in found] == sorted((users[name] for name in found), reverse=True)


def test_a_number_is_standardised_after_its_transform():
    values = np.append(np.random.default_rng(0).lognormal(3, 1, 5000), np.nan)
    number = fit_number("price", values)
    assert number.log
    assert number.flag
    assert number.low == pytest.approx(np.nanpercentile(values, 0.1))
    assert number.high == pytest.approx(np.nanpercentile(values, 99.9))
    shaped = (np.log1p(np.clip(values[:-1], number.low, number.high)) - number.mean) * number.scale
    assert shaped.mean() == pytest.approx(0, abs=1e-9)
    assert shaped.std() == pytest.approx(1)


@pytest.mark.parametrize("centre", [50, 0, -3])
def test_a_symmetric_number_has_no_logarithm(centre):
    assert not fit_number("n", np.random.default_rng(0).normal(centre, 1, 500)).log


def test_amounts_paid_and_given_back_have_a_logarithm_on_both_sides_of_0():
    generator = np.random.default_rng(0)
    values = generator.lognormal(3, 1, 500) * generator.choice([1, 1, -1], 500)
    number = fit_number("n", values)
    told = np.sign(values) * np.log1p(np.abs(values))
    assert number.log
    assert number.mean == pytest.approx(told.mean())
    assert number.scale == pytest.approx(1 / told.std())


def test_a_number_is_parted_so_that_each_part_holds_as_many_values():
    values = np.random.default_rng(0).lognormal(3, 1, 500)
    number = fit_number("n", values)
    z = (np.log1p(values) - number.mean) * number.scale
    inside = np.searchsorted(number.edges[1:-1], z)
    assert len(number.edges) == 6
    assert np.bincount(inside).tolist() == [100] * 5


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 1.0, 2.0]])
def test_a_number_of_few_values_is_not_parted(values):
    assert fit_number("n", np.array(values * 100)).edges == ()


def test_silence_that_still_goes_on_counts_among_the_gaps():
    """Gaps are of hours; then 39 of 40 users stay away for 100 days, as questions between events will find them."""
    hours = np.random.default_rng(0).uniform(1, 9, (40, 2)).cumsum(1)
    log = make_log(*([(3600.0 * hour, "e") for hour in (0.0, *each)] for each in hours), [(100 * DAY, "e")])
    gap = fit_spec(log, np.ones(121, bool), 1)[0].clock.gap
    hour, month = ((np.log1p(seconds) - gap.mean) * gap.scale for seconds in (3600.0, 30 * DAY))
    assert gap.edges[0] < hour + 0.1 < month < gap.edges[-1]


def test_few_values_are_bounded_by_their_extremes():
    number = fit_number("n", np.array([1.0, 2.0, 7.0]))
    assert (number.low, number.high, number.flag) == (1.0, 7.0, False)


def test_fields_that_never_vary_are_left_out_and_reported():
    fields = {"same": np.ones(4), "gone": np.full(4, np.nan), "rare": np.array(list("abcd")), "good": np.arange(4.0)}
    log = make_log([(0, "e"), (5, "e")], [(1, "e"), (9, "e")], fields=fields)
    spec, notes = fit_spec(log, np.ones(4, bool), 2)
    assert spec.fields == ("good",)
    assert [note.split(":")[0] for note in notes] == ["same", "gone", "rare"]
    assert not spec.clock.hour
    assert not spec.clock.weekday


def test_names_are_counted_by_user_in_the_whole_specification():
    """One user's nine visits to a place are one user's."""
    place = np.array(["home"] * 9 + ["shop", "shop", "mall", "mall"])
    log = make_log([(t, "secret") for t in range(9)], [(1, "e"), (2, "e")], [(1, "e"), (2, "e")])
    shops = np.array(["home"] * 9 + ["shop", "mall", "mall", "shop"])
    spec, _ = fit_spec(replace(log, fields={"place": place, "shops": shops}), np.ones(13, bool), 2)
    assert spec.event.vocabulary == ("e",)
    assert [each.name for each in spec.categories] == ["shops"]
    assert set(spec.categories[0].vocabulary) == {"mall", "shop"}


def test_hours_and_weekdays_are_read_where_they_vary():
    hourly = make_log([(0, "e"), (3600, "e")], [(7200, "e")])
    daily = make_log([(0, "e"), (86400, "e")], [(2 * 86400, "e")])
    assert fit_spec(hourly, np.ones(3, bool), 1)[0].clock.hour
    clock = fit_spec(daily, np.ones(3, bool), 1)[0].clock
    assert (clock.hour, clock.weekday) == (False, True)


def test_the_season_is_read_where_each_has_passed_twice():
    """What isn't seen doesn't count: a log of three years of which training sees one has one of each season."""
    log = make_log([(0, "e"), (364 * 86400, "e"), (3 * 366 * 86400, "e")], [(200 * 86400, "e")])
    assert fit_spec(log, np.ones(4, bool), 1)[0].clock.season
    assert not fit_spec(log, np.array([True, True, False, True]), 1)[0].clock.season


def test_a_log_of_too_few_users_is_refused():
    with pytest.raises(InputError, match="no kind of event has 5 training users"):
        fit_spec(make_log([(0, "e")]), np.ones(1, bool), 5)


def test_a_fifth_of_the_encoded_training_rows_ends_in_each_part(cdnow_prepared):
    histories = cdnow_prepared.histories.select(0)
    names = cdnow_prepared.spec.number_names
    gone = [(histories.numbers[:, names.index(f"dollars_{part}")] >= 1).mean() for part in range(1, 6)]
    assert gone == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0], abs=0.02)


def test_histories_hold_exactly_what_the_encoder_gives(cdnow_prepared):
    histories = cdnow_prepared.histories
    encoder = Encoder(cdnow_prepared.spec)
    codes, numbers = encoder.columns(histories.names.tolist(), histories.times, histories.fields, histories.starts)
    assert np.array_equal(codes, histories.codes)
    assert np.array_equal(numbers, histories.numbers)
