"""Loops that are written twice: run by LLVM on this machine, the IR before and after are the same to who calls them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product

import llvmlite.binding as llvm
import pytest
from insitu.aot import versions

# Which turn it is, is stored. `first` is what is compared in the first turn.
LOOP = """; a module
declare void @insitu_trap(ptr, i32)
define i32 @f0(ptr %inst, i32 %first, i32 %most, i32 %n) {{
entry:
  %from = add i32 %n, 7
  br label %loop
loop:
  %i = phi i32 [ %from, %entry ], [ %i.next, %go ]
  %x = phi i32 [ %first, %entry ], [ %x.next, %go ]
  %turn = phi i32 [ 0, %entry ], [ %turn.next, %go ]
  store i32 %turn, ptr %inst
  %more = shl i32 %turn, 1
  %y = or disjoint i32 %more, 1
  %fails = icmp {relation} i32 {operands}
  %far = icmp ugt i32 %y, 200
  %either = {either}
  br i1 %either, label %trap, label %go
go:
  %x.next = add i32 %x, {step}
  %turn.next = add i32 %turn, 1
  %i.next = add i32 %i, -1
  %done = icmp eq i32 %i.next, 7
  br i1 %done, label %end, label %loop
end:
  %result = add i32 %x, 1
  ret i32 %result
trap:
  call void @insitu_trap(ptr %inst, i32 1)
  unreachable
}}
"""
TRAP = "call void @insitu_trap(ptr %inst, i32 1)\n  unreachable"
EITHER = "or i1 %fails, %far", "select i1 %far, i1 true, i1 %fails"


def _function(ir: str) -> tuple[llvm.ExecutionEngine, Callable[..., int]]:
    """As machine code of this machine's, where a trap returns 2^31."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(ir.replace(TRAP, "ret i32 -2147483648"), llvm.create_context())
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kinds = (ctypes.c_void_p, *(ctypes.c_int32,) * 3)
    return engine, ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(engine.get_function_address("f0"))


@pytest.mark.parametrize(
    ("relation", "operands", "step"),
    [
        ("ugt", "%x, 100", 1),
        ("ugt", "%x, 100", -7),
        ("ugt", "%x, -9", 1 << 28),
        ("ugt", "%x, 100", 0),
        ("ugt", "%x, %most", 3),
        ("ugt", "%x, %most", -1),
        ("sgt", "%x, 100", 9),
        ("sgt", "%x, 100", -9),
        ("sgt", "%x, -5", 9),
        ("eq", "%x, %most", 1),
        ("eq", "%most, %x", -1),
    ],
)
def test_nobody_sees_which_one_it_is(relation: str, operands: str, step: int) -> None:
    for either in EITHER:
        ir = LOOP.format(relation=relation, operands=operands, step=step, either=either)
        written = versions.tidied(versions.written(ir))
        assert written.count("icmp ugt i32 %y") == 1  # the copy is without
        kept, before = _function(ir)
        kept_too, after = _function(written)
        numbers = (0, 1, 50, 99, 100, 101, 102, -1, -10, 1 << 31)
        for first, most, n in product(numbers, numbers, (1, 2, 3, 13, 99, 102, 1 << 30)):
            turns = ctypes.c_int32(), ctypes.c_int32()
            results = [
                function(ctypes.addressof(turn), first, most, n)
                for function, turn in zip((before, after), turns, strict=True)
            ]
            assert (results[0], turns[0].value) == (results[1], turns[1].value), (first, most, n)
        del kept, kept_too


CONDITIONS = "samesign ugt", "%x, 100", 4


def test_what_loads_decide_stays() -> None:
    """A check of what is not known before the loop is in the copy, too."""
    relation, operands, step = CONDITIONS
    ir = LOOP.format(relation=relation, operands=operands, step=step, either="or i1 %fails, %loaded")
    ir = ir.replace("  %either", "  %at = load i32, ptr %inst\n  %loaded = icmp ugt i32 %at, 100\n  %either")
    ir = ir.replace("  br i1 %either", "  %all = select i1 %either, i1 true, i1 %far\n  br i1 %all")
    written = versions.tidied(versions.written(ir))
    assert written.count("icmp ugt i32 %at") == 2
    assert written.count("icmp ugt i32 %y") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%i.next, 7", "%turn, 2"),  # 3 turns: not more than the comparisons before would take
        ("  %x.next = add i32 %x, {step}", "  %x.next = mul i32 %x, 3"),
        ("  %far = icmp ugt i32 %y, 200", "  %far = icmp ult i32 %y, 200"),
        ("(ptr %inst, i32 1)", "(ptr %inst, i32 %turn)"),  # the trap says which turn it was
    ],
)
def test_other_loops_stay(old: str, new: str) -> None:
    relation, operands, step = CONDITIONS
    ir = LOOP.replace(old, new).format(relation=relation, operands=operands, step=step, either=EITHER[0])
    assert versions.tidied(versions.written(ir)) == ir
