import pytest

from nearsight.errors import InputError
from nearsight_benchmarks.fresh import measure
from nearsight_benchmarks.starts import Program, footprints


def test_memory_that_a_process_holds_is_seen_even_if_it_is_given_back():
    bare = measure("import numpy", (), 1)
    large = measure("import numpy\nx = numpy.ones(10_000_000)\ndel x", (), 1)  # 80 MB
    assert large.megabytes - bare.megabytes == pytest.approx(80, abs=8)


def test_the_parents_memory_is_not_the_childs():
    before = measure("", (), 1)
    ballast = bytearray(200_000_000)
    after = measure("", (), 1)
    assert after.megabytes - before.megabytes < 20
    assert len(ballast) == 200_000_000


def test_waiting_counts_as_start_up():
    assert measure("import time; time.sleep(0.4)", (), 1).seconds > 0.4


def test_a_program_sees_its_arguments_and_its_failure_is_told():
    assert measure("import sys; assert sys.argv[1:] == ['a', 'b']", ("a", "b"), 1).processes == 1
    with pytest.raises(InputError, match="planted"):
        measure("raise ValueError('planted')", (), 1)


def test_footprints_are_over_numpy():
    programs = {"BG/NBD": Program("BG/NBD", (), b'{"r":0.2,"alpha":4.4,"a":0.8,"b":2.4,"curve":[1,0]}', is_slow=True)}
    bare, found = footprints(programs, 1)
    assert 10 < bare.megabytes < 120
    assert found["BG/NBD"].megabytes > 20  # pandas and SciPy come with it
