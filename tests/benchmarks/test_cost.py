"""The cost model: parts beside a calculation by hand, the sentence, and a machine whose limits are in order."""

import pytest

from nearsight_benchmarks.config import BenchConfig
from nearsight_benchmarks.cost import Limits, Machine, said
from nearsight_benchmarks.machine import measured
from nearsight_benchmarks.material import gathered
from nearsight_export.work import Work

WORK = Work(
    computes=10,
    moves=20,
    multiplications={"int8": 60_000, "fp32": 1_000},
    weight_bytes={"int8": 60_000, "fp32": 4_000},
    activation_bytes=40_000,
)
MACHINE = Machine(
    limits={
        "litert": Limits(
            call_us=1.0, compute_us=0.03, move_us=0.02, multiplications_per_us={"int8": 300_000.0, "fp32": 100_000.0}
        )
    },
    bytes_per_us={50_000: 80_000.0, 300_000: 160_000.0},
)


def test_parts_by_hand():
    cost = MACHINE.cost("step int8 · LiteRT", "litert", WORK, 4.0)
    assert cost.arithmetic_us == pytest.approx(60 / 300 + 1 / 100)
    assert cost.memory_us == pytest.approx(64 / 80)
    assert cost.bound_us == cost.memory_us
    assert cost.operators_us == pytest.approx(10 * 0.03 + 20 * 0.02)
    assert cost.times == pytest.approx(4 / 0.8)
    assert cost.rest_us == pytest.approx(4 - 1 - 0.7 - 0.8)
    assert MACHINE.reading(320_000) == pytest.approx(2.0)


def test_a_sentence_says_what_the_time_goes_into():
    (sentence,) = said([MACHINE.cost("step int8 · LiteRT", "litert", WORK, 4.0)])
    assert sentence == (
        "step int8 · LiteRT takes 4.0 µs, 5.0 times what reading its weights needs at best (0.80 µs): 25 % of it is "
        "the call itself, 18 % are 30 operators' overhead, 20 % that limit, and 37 % is lost within operators."
    )
    busy = Work(computes=1, moves=0, multiplications={"fp32": 500_000}, weight_bytes={"fp32": 4}, activation_bytes=8)
    cost = MACHINE.cost("busy", "litert", busy, 5.5)
    assert cost.rest_us == 0.0
    assert "times what the arithmetic needs at best (5.00 µs)" in said([cost])[0]


def test_a_machine_has_limits_for_every_runtime_and_arithmetic(run_path, bundle_path):
    material = gathered(run_path, bundle_path, BenchConfig(quick=True))
    machine = measured(material.run.trunk, material.tape, [10_000, 200_000])
    assert set(machine.bytes_per_us) == {50_000, 200_000}
    assert {name: set(each.multiplications_per_us) for name, each in machine.limits.items()} == {
        "litert": {"fp32", "int8", "int16x8"},
        "onnx": {"fp32", "int8"},
    }
    for limits in machine.limits.values():
        assert limits.call_us > 0
        assert min(limits.multiplications_per_us.values()) > 0
