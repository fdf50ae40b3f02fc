"""Histories as hypothesis draws them: gaps of any length, clocks that jump back, values missing and never seen."""

from hypothesis import strategies as st

from made_up import DAY, EVENTS

NAMES = st.sampled_from([*EVENTS, "never seen", ""])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "device": st.sampled_from(["phone", "desktop", "fridge", None]),
        "price": st.none() | st.floats(-5, 1e6, allow_nan=False) | st.integers(0, 900),
        "balance": st.none() | st.floats(-1e9, 1e9, allow_nan=False),
        "age": st.none() | st.sampled_from([18, 30.0, 65]) | st.floats(0, 120),
        "colour": st.sampled_from(["red", 3, None]),
    },
)
GAPS = st.sampled_from([0.0, 1.0, 3600.0, 10_000.0, DAY / 3, 5 * DAY, 200 * DAY, -30.0]) | st.floats(0, 40 * DAY)


@st.composite
def histories(draw, least=1, most=9):
    """A list of events `(name, time, fields)`."""
    time, events = 1.7e9, []
    for gap in draw(st.lists(GAPS, min_size=least, max_size=most)):
        time += gap
        events.append((draw(NAMES), time, draw(FIELDS)))
    return events
