"""What compiler-rt of ziglang 0.17.1 gets wrong, by example; the expected values are sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from insitu.sim import CPUS

from tests.floats.arrays import Simulated
from tests.floats.expressions import BITS, Constant, Operand, Operation, apply, single
from tests.floats.ieee import WORD

pytestmark = pytest.mark.parametrize("target", CPUS)


def _results(target: str, instruction: str, *operands: list[int]) -> list[int]:
    operation = single(instruction)
    given = {name: np.array(values, WORD[t]) for name, t, values in zip("ab", operation.params, operands, strict=False)}
    return [int(bits) for bits in Simulated(target, [operation]).run(operation, given)]


def test_quotients_of_doubles_that_are_subnormal_are_rounded(target: str) -> None:
    """3/4, 3/2 (a tie, to even), 5/4 and 7/4 of the least subnormal number; all but one ulp of the least normal."""
    dividends = [3, 3, 5, 7, 0x001FFFFFFFFFFFFF]
    divisors = [0x4010000000000000, 0x4000000000000000, 0x4010000000000000, 0x4010000000000000, 0x4000000000000000]
    assert _results(target, "f64.div", dividends, divisors) == [1, 2, 1, 2, 0x0010000000000000]


def test_quotients_of_floats_that_are_subnormal_are_rounded(target: str) -> None:
    dividends, divisors = [3, 3, 5, 7, 0x00FFFFFF], [0x40800000, 0x40000000, 0x40800000, 0x40800000, 0x40000000]
    assert _results(target, "f32.div", dividends, divisors) == [1, 2, 1, 2, 0x00800000]


def test_promotion_makes_signaling_nans_quiet(target: str) -> None:
    quiet = 0x7FF8000000000000
    assert all(bits & quiet == quiet for bits in _results(target, "f64.promote_f32", [0x7F800001, 0xFFA00000]))


_SIGNALING = {"f32": 0x7F800001, "f64": 0x7FF0000000000001}
_QUIET = {"f32": 0x00400000, "f64": 0x0008000000000000}


@pytest.mark.parametrize("t", ["f32", "f64"])
def test_an_operation_is_not_dropped_for_what_its_operand_is_known_to_be(target: str, t: str) -> None:
    """x + -0 and its like make a signaling NaN quiet, also where the constant comes through a local, or in min."""
    one = {"f32": 0x3F800000, "f64": 0x3FF0000000000000}[t]
    a, sign = Operand("a", t), 1 << (BITS[t] - 1)
    operations = []
    for op in ("add", "sub", "mul", "div", "min", "max"):
        for constant in (Constant(t, bits, local) for bits in (0, sign, one, one | sign) for local in ("", "held")):
            for operands in ((a, constant), (constant, a)):
                operations.append(Operation(str(len(operations)), apply(f"{t}.{op}", *operands), (t,), f"{t}.{op}"))
    machine = Simulated(target, operations)
    for operation in operations:
        (bits,) = machine.run(operation, {"a": np.array([_SIGNALING[t]], WORD[t])})
        assert int(bits) & _QUIET[t], operation.expression


def test_conversions_that_undo_each_other_stay(target: str) -> None:
    """Code generation takes a demotion of a promotion for nothing, and a signaling NaN would stay signaling."""
    there_and_back = apply("f32.demote_f64", apply("f64.promote_f32", Operand("a", "f32")))
    operation = Operation("there and back", there_and_back, ("f32",), "f32.abs")
    (bits,) = Simulated(target, [operation]).run(operation, {"a": np.array([_SIGNALING["f32"]], WORD["f32"])})
    assert int(bits) & _QUIET["f32"]


@pytest.mark.parametrize("t", ["f32", "f64"])
def test_a_choice_is_no_minimum(target: str, t: str) -> None:
    """a < 0 ? a : 0 is 0 of -0 and of NaNs; code generation for FPv5 took it for VMINNM, whose -0 is below 0."""
    a, zero, sign = Operand("a", t), Constant(t, 0), 1 << (BITS[t] - 1)
    choices = {
        "a below 0, else 0": (a, zero, apply(f"{t}.lt", a, zero)),
        "a above 0, else 0": (a, zero, apply(f"{t}.gt", a, zero)),
        "0 unless a is below": (zero, a, apply(f"{t}.ge", a, zero)),
        "0 unless 0 is above": (zero, a, apply(f"{t}.le", zero, a)),
    }
    operations = [Operation(name, apply("select", *choice), (t,), f"{t}.lt") for name, choice in choices.items()]
    machine, quiet = Simulated(target, operations), _SIGNALING[t] | _QUIET[t]
    given = [sign, 0, _SIGNALING[t], quiet]
    found = {o.name: [int(b) for b in machine.run(o, {"a": np.array(given, WORD[t])})] for o in operations}
    assert found == {
        "a below 0, else 0": [0, 0, 0, 0],
        "a above 0, else 0": [0, 0, 0, 0],
        "0 unless a is below": [0, 0, _SIGNALING[t], quiet],
        "0 unless 0 is above": [0, 0, _SIGNALING[t], quiet],
    }
