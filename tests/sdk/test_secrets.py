"""Secrets planted in every part of an event reach no exception, log line, warning, output or snapshot."""

import io
import logging
import struct
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import made_up
import nearsight
from nearsight import NearsightError
from nearsight.bundle import Bundle, write_bundle

WORD = "Zx9-anna.secret@example.org"
NUMBER = 8_675_309.0625  # exact as float32, and beyond every bound
PARTS = ("event", "device", "age", "price", "balance", "email", "time")
PLANTED = st.sampled_from(
    [
        WORD,
        WORD.encode(),
        [WORD],
        {WORD: WORD},
        (WORD, NUMBER),
        NUMBER,
        int(NUMBER),
        10**400,
        10**5000,
        float("inf"),
        True,
        object,
    ]
)
PLAIN = {"event": "view", "time": 1.7e9, "device": "phone", "age": 30, "price": 5.0, "balance": 1.0, "email": "x"}
FORMS = (
    WORD.encode(),
    str(NUMBER).encode(),
    str(int(NUMBER)).encode(),
    struct.pack("<f", NUMBER),
    struct.pack("<d", NUMBER),
    struct.pack(">d", NUMBER),
)


@pytest.fixture(scope="module")
def insights(tmp_path_factory):
    """A model, and one that coarsens times, since an exact model keeps the last event's."""
    folder, made = tmp_path_factory.mktemp("bundles"), made_up.beside(made_up.bundle())
    clock = replace(made.manifest.spec.clock, coarsen_seconds=86_400.0)
    coarse = replace(made.manifest, spec=replace(made.manifest.spec, clock=clock))
    write_bundle(folder / "exact.nsight", made)
    write_bundle(folder / "coarse.nsight", Bundle(coarse, made.members))
    return [nearsight.load(folder / name, runtime="numpy") for name in ("exact.nsight", "coarse.nsight")]


def told(act):
    """All that `act` says: its output, log lines, warnings and, whole with what led to it, its exception."""
    heard, handler = io.StringIO(), logging.StreamHandler(io.StringIO())
    root = logging.getLogger()
    root.addHandler(handler)
    level, root.level = root.level, 0
    try:
        with redirect_stdout(heard), redirect_stderr(heard), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                act()
            except NearsightError as error:
                heard.write("".join(traceback.format_exception(error)))
    finally:
        root.removeHandler(handler)
        root.level = level
    return heard.getvalue() + handler.stream.getvalue() + "".join(str(each.message) for each in warned)


@given(st.dictionaries(st.sampled_from(PARTS), PLANTED, min_size=1))
def test_no_secret_leaves_a_session(insights, planted):
    parts = PLAIN | planted
    name, time = parts.pop("event"), parts.pop("time")
    for insight in insights:
        session = insight.session()

        def observed(session=session):
            sys.stdout.write(f"{session.observe(name, time, **parts)} {session} {session.profile()}")

        def scored(insight=insight):
            sys.stdout.write(f"{insight.score_many([[(name, time, parts)]])} {insight}")

        left = (told(observed) + told(scored)).encode() + session.snapshot()
        exact_time = "time" in planted and insight is insights[0]
        assert not [form for form in FORMS if form in left and not exact_time]


@given(st.sampled_from(PARTS), PLANTED, st.integers(0, 60))
def test_no_secret_leaves_a_damaged_snapshot(insights, part, value, cut):
    session = insights[0].session()
    session.observe("view", 1.7e9, device="phone")
    damaged = WORD.encode() + session.snapshot()[:cut] + WORD.encode()
    assert WORD not in told(lambda: insights[0].session(damaged))


def test_the_watch_hears_a_planted_leak():
    def leaks():
        logging.getLogger("app").info("seen %s", WORD)
        warnings.warn(str(NUMBER), stacklevel=1)
        try:
            int(WORD)
        except ValueError as error:
            raise NearsightError("no number") from error

    assert told(leaks).count(WORD) == 2
    assert str(NUMBER) in told(leaks)
