"""A store keeps what reports have cost: on the disk before they leave, sealed, and never more than the budget."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearsight import BudgetError, ConsentError, ReportError, StoreError
from nearsight.report import Budget, Chance, Report, YesNo, answer
from nearsight.store.record import Record, decoded
from nearsight.store.vault import Vault
from shop import START, insight, opened, raw

DAY = 86_400
MODEL = insight()
BOTH = ("insight", "reports")
BUYS = YesNo("buys", 0.5)
LIFE = """
import os, signal, sys, nearsight
from nearsight.report import Budget, YesNo
from nearsight.store.vault import Vault
from nearsight.testing import scripted
store = nearsight.open(
    scripted([{"buys": 0.5}]), sys.argv[1], key=bytes(range(32)), purposes=("insight", "reports"), budget=Budget(1.0)
)
store.consent("ada", "reports")
save, moment = Vault.save, sys.argv[2]
def killed(vault, copies, counts):
    if moment == "after":
        save(vault, copies, counts)
    os.kill(os.getpid(), signal.SIGKILL)
Vault.save = killed
print(store.report("ada", YesNo("buys", 0.75), True).encoded(), flush=True)
"""


def reporting(path, total=1.0, renews=None, users=("ada",), **options):
    store = opened(path, MODEL, purposes=BOTH, budget=Budget(total, renews), **options)
    for user in users:
        store.consent(user, "insight")
        store.consent(user, "reports")
    return store


def left(store, user="ada"):
    held = store.export_user(user)["reports"]
    return None if held is None else Fraction(str(held["total"])) - sum(Fraction(str(e)) for e in held["paid"].values())


def told(ask, *arguments, **more):
    """What comes of a question: a report, or why not."""
    try:
        return ask(*arguments, **more)
    except (BudgetError, ReportError) as error:
        return str(error)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), st.sampled_from([0.1, 0.3, 0.7]), st.booleans(), st.floats(-9e4, 3e5)),
        st.sampled_from(["reopen", "withdraw", "flush"]),
    ),
    max_size=20,
)


@settings(max_examples=25)
@given(STEPS, st.none() | st.just(DAY))
def test_a_store_asks_what_a_budget_in_memory_lets_it(steps, renews):
    """The oracle is a `Budget` that lives through everything; a report that was given is never drawn anew."""
    plain, drawn, time = Budget(1.0, renews), {}, START
    with tempfile.TemporaryDirectory() as folder:
        store = reporting(Path(folder), 1.0, renews)
        for step in steps:
            if step == "reopen":
                store.close()
                store = reporting(Path(folder), 1.0, renews)
            elif step == "withdraw":
                store.withdraw("ada", "reports")
                store.consent("ada", "reports")
            elif step == "flush":
                store.flush()
            else:
                name, epsilon, truth, passed = step
                time += passed
                question = YesNo(name, epsilon)
                found = [
                    told(answer, question, truth, plain, time=time),
                    told(store.report, "ada", question, truth, time=time),
                ]
                if isinstance(found[0], str):
                    assert found[0] == found[1]
                else:
                    assert (found[0].question, found[0].period) == (found[1].question, found[1].period)
                    assert drawn.setdefault((name, found[1].period), found[1]) == found[1]
        held = store.export_user("ada")["reports"]
        store.close()
    assert (held["paid"] if held else {}) == plain.paid or held["period"] != plain.period


def test_what_was_paid_is_on_the_disk_before_the_report_is_there(tmp_path):
    """Copies of the files, as a kill leaves them when each call has returned, and when it is about to write."""
    folder, given = tmp_path / "store", []
    with reporting(folder) as store:
        for turn in range(4):
            given.append(store.report("ada", YesNo(f"q{turn}", 0.25), True))
            shutil.copytree(folder, tmp_path / f"copy-{turn}", ignore=lambda *_: ["state.db.lock"])
        with pytest.raises(BudgetError, match="0 of 1 is left"):
            store.report("ada", YesNo("one more", 0.001), True)
    for turn in range(4):
        with reporting(tmp_path / f"copy-{turn}") as store:
            assert left(store) == 1 - Fraction(turn + 1, 4)
            again = [store.report("ada", YesNo(f"q{number}", 0.25), False) for number in range(turn + 1)]
            assert again == given[: turn + 1]


@pytest.mark.skipif(os.name != "posix", reason="the test kills as only POSIX does")
@pytest.mark.parametrize(("moment", "expected"), [("before", 1.0), ("after", 0.25)])
def test_a_kill_around_the_write_lets_nothing_leave_that_was_not_paid(tmp_path, moment, expected):
    path = tmp_path / "state.db"
    done = subprocess.run([sys.executable, "-c", LIFE, path, moment], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, ""), done.stderr
    with opened(tmp_path, MODEL, purposes=BOTH, budget=Budget(1.0)) as store:
        held = store.export_user("ada")["reports"]
        assert (1.0 if held is None else float(left(store))) == expected
        if held:
            first = store.report("ada", YesNo("buys", 0.75), False)
            assert first.value == held["answers"]["buys"]["value"]
            assert left(store) == Fraction(1, 4)


def test_where_nothing_can_be_written_nothing_leaves_and_nothing_is_spent(tmp_path, monkeypatch):
    def full(vault, copies, counts):
        raise StoreError("the store's disk is full")

    with reporting(tmp_path) as store:
        before = store.export_user("ada")
        with monkeypatch.context() as patch:
            patch.setattr(Vault, "save", full)
            with pytest.raises(StoreError, match="full"):
                store.report("ada", BUYS, True)
        assert store.export_user("ada") == before
        store.report("ada", BUYS, True)
        assert left(store) == Fraction(1, 2)


def test_what_is_refused_costs_nothing(tmp_path):
    with reporting(tmp_path) as store:
        store.report("ada", BUYS, True)
        for question, truth, error in (
            (YesNo("dear", 0.75), True, BudgetError),
            (YesNo("buys", 0.25), True, ReportError),
            (YesNo("other", 0.25), "yes", ReportError),
        ):
            with pytest.raises(error):
                store.report("ada", question, truth)
        assert left(store) == Fraction(1, 2)


def test_a_report_is_that_of_an_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("nearsight.report.answers.Chance", lambda: Chance(random.Random(4).getrandbits))
    with reporting(tmp_path, renews=DAY) as store:
        found = store.report("ada", BUYS, True, time=START)
        assert found == answer(BUYS, True, Budget(1.0, DAY), time=START)
        assert Report.decoded(found.encoded()) == found
        with pytest.raises(ReportError, match="seconds since 1970"):
            store.report("ada", BUYS, True)


def test_each_user_has_a_budget_of_their_own_and_consents_to_it(tmp_path):
    with reporting(tmp_path, users=("ada", "grace")) as store:
        store.consent("edsger", "insight")
        store.report("ada", YesNo("buys", 1.0), True)
        store.report("grace", YesNo("buys", 1.0), True)
        for user in ("edsger", "nobody"):
            with pytest.raises(ConsentError, match="'reports'"):
                store.report(user, BUYS, True)
        store.withdraw("ada", "reports")
        with pytest.raises(ConsentError, match="'reports'"):
            store.report("ada", BUYS, True)
        assert (left(store), left(store, "grace"), left(store, "edsger")) == (0, 0, None)


def test_whoever_withdraws_and_consents_again_gets_no_second_budget_and_whoever_is_erased_is_gone(tmp_path):
    with reporting(tmp_path) as store:
        first = store.report("ada", YesNo("buys", 1.0), True)
        store.withdraw("ada", "reports")
        store.consent("ada", "reports")
        assert store.report("ada", YesNo("buys", 1.0), False) == first
        with pytest.raises(BudgetError):
            store.report("ada", YesNo("more", 0.1), True)
        assert store.erase_user("ada")
        assert store.export_user("ada") == {}


def test_an_export_has_the_budget_whole_and_the_files_have_it_sealed(tmp_path):
    with reporting(tmp_path) as store:
        found = store.report("ada", YesNo("expects a child", 0.5), True)
        held = store.export_user("ada")["reports"]
        assert (held["total"], held["paid"]) == (1.0, {"expects a child": 0.5})
        assert held["answers"]["expects a child"]["value"] == found.value
        assert b"child" not in raw(tmp_path)


def test_another_declaration_counts_for_those_who_come_afterwards(tmp_path):
    with reporting(tmp_path) as store:
        store.report("ada", BUYS, True)
    with reporting(tmp_path, total=4.0, users=("ada", "grace")) as store:
        with pytest.raises(BudgetError):
            store.report("ada", YesNo("more", 1.0), True)
        store.report("grace", YesNo("more", 4.0), True)


def test_a_row_from_before_there_were_budgets_is_read():
    old = msgspec.msgpack.encode(({"insight": START}, b"snapshot", 3))
    assert decoded(old, Record) == Record({"insight": START}, b"snapshot", 3, None)


def test_threads_that_ask_at_once_pay_once_each_and_together_no_more_than_there_is(tmp_path):
    with reporting(tmp_path) as store:
        found, refused = [], []

        def ask(names):
            for name in names:
                try:
                    found.append((name, store.report("ada", YesNo(name, 0.25), True)))
                except BudgetError:
                    refused.append(name)

        threads = [threading.Thread(target=ask, args=("abcdef"[turn:] + "abcdef"[:turn],)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({name for name, _ in found}) == 4
        assert len({(name, report.encoded()) for name, report in found}) == 4
        assert left(store) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"purposes": BOTH},
        {"budget": Budget(1.0)},
        {"purposes": BOTH, "budget": 1.0},
        {"purposes": BOTH, "budget": Budget(1.0, paid={"buys": 0.5})},
    ],
)
def test_a_budget_and_its_purpose_belong_together_and_it_is_new(tmp_path, options):
    with pytest.raises(StoreError, match="budget"):
        opened(tmp_path, MODEL, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_budgets_says_how_to_have_them(tmp_path):
    with opened(tmp_path, MODEL) as store, pytest.raises(StoreError, match="open it with budget="):
        store.report("ada", BUYS, True)
