"""What references cost in compiled code, and what is refused."""

from __future__ import annotations

import pytest
import wasmtime
from insitu import aot
from insitu.aot.limits import check
from insitu.aot.plan import Plan
from insitu.aot.targets import target
from insitu.port.xip import layout
from insitu.wasm.decode import decode
from insitu.wasm.errors import Unsupported

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
TABLES = """(module (table $f 4 funcref) (table $g 4 90 funcref) (table $x (export "x") 4 externref)
  (table $big 70000 externref)
  (elem declare func $one) (func $one)
  (func (export "get") (param i32) (result funcref externref)
    (table.get $f (local.get 0)) (table.get $x (local.get 0)))
  (func (export "set") (param i32) (table.set $f (local.get 0) (ref.func $one))
    (table.set $x (local.get 0) (ref.null extern)))
  (func (export "sizes") (result i32 i32) (table.size $f) (table.size $x))
  (func (export "null") (param funcref externref) (result i32 i32)
    (ref.is_null (local.get 0)) (ref.is_null (local.get 1)))
  (func (export "known") (result i32) (ref.is_null (ref.null func)))
  (func (export "more") (param i32) (drop (table.grow $g (ref.null func) (i32.const 1)))))"""


def plan(text: str, name: str) -> Plan:
    return Plan(decode(bytes(wasmtime.wat2wasm(text))), target(name))


def optimised(text: str, name: str) -> dict[str, str]:
    """Function number to its IR after LLVM's passes."""
    planned = plan(text, name)
    (unit,) = aot.units.write(planned)
    ir = str(aot.optimise.optimise(unit, planned.target))
    parts = [part.split("\n}\n")[0] for part in ir.split("\ndefine ")[1:]]
    return {part.split("@")[1].split("(")[0]: part for part in parts}


@pytest.mark.parametrize("name", TARGETS)
def test_small_operations_do_not_leave_for_the_runtime(name: str) -> None:
    functions = optimised(TABLES, name)
    for index in (1, 2, 3, 4, 5):
        assert "@insitu_host_call" not in functions[f"f{index}"]
    assert "@insitu_host_call" in functions["f6"]
    assert functions["f1"].count("br i1") == 2  # a bound each
    assert "ret i32 1" in functions["f5"]


def test_where_tables_lie() -> None:
    """What cannot grow has constant bounds; what can, or is large, does not swell the instance's block."""
    fixed, growing, exported, large = plan(TABLES, "cortex-m3").tables
    assert (fixed.fixed, growing.fixed, exported.fixed, large.fixed) == (True, False, False, False)
    assert fixed.entries == fixed.slot + 4 * layout.FUNCREF_SIZE
    assert exported.entries == exported.slot + 4 * layout.EXTERNREF_SIZE
    assert growing.entries == large.entries == 0
    assert plan(TABLES, "cortex-m3").instance_size < 256


def test_externrefs_are_announced() -> None:
    for text, expected in (
        ("(module (func (param i32 externref)))", True),
        ("(module (func (result externref) (ref.null extern)))", True),
        ("(module (table 1 externref))", True),
        ("(module (global externref (ref.null extern)))", True),
        ("(module (table 1 funcref) (func (param funcref)))", False),
    ):
        assert plan(text, "rv32imc").has_externrefs is expected
        image = aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), "rv32imc")
        flags = int.from_bytes(image[layout.IMAGE_FLAGS : layout.IMAGE_FLAGS + 4], "little")
        assert bool(flags & layout.FLAG_EXTERNREF) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module (func (param v128)))", r"v128 \(SIMD\) is not supported"),
        ("(module (func (drop (v128.const i32x4 0 0 0 0))))", "SIMD is not supported; clang: -mno-simd128"),
        ("(module (table 0x1000001 funcref))", "table 0 has 16777217 entries, the limit is 16777216"),
        ("(module " + "(elem func)" * 4097 + ")", "4097 element segments, the limit is 4096"),
        ("(module " + "(table 0 funcref)" * 4097 + ")", "4097 tables, the limit is 1024"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        check(plan(text, "cortex-m3"))
