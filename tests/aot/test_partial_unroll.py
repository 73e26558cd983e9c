"""Short loops written out: run by LLVM on this machine, they trap in the same turn, with the same memory before."""

from __future__ import annotations

import ctypes
import re
from itertools import product

import llvmlite.binding as llvm
import pytest
from insitu.aot import partial_unroll

_TRAP = re.compile(r"(?:tail )?call void @insitu_trap\(ptr %inst, i32 1\).*\n  unreachable")
_LOOP = """; a module
declare void @insitu_trap(ptr, i32)
define i32 @f0(ptr %inst, i32 %seed, i32 %bad) {{
entry:
  br label %loop
loop:
  %i = phi i32 [ {first}, %entry ], [ %i.next, %go ]
  %x = phi i32 [ %seed, %entry ], [ %x.next, %go ]
  %fails = icmp eq i32 %i, %bad
  br i1 %fails, label %trap, label %go
go:
  %at = getelementptr i8, ptr %inst, i32 %i
  store i32 %x, ptr %at
  %x.more = mul i32 %x, 5
  %x.next = add i32 %x.more, %i
  %i.next = add i32 %i, {step}
  %done = icmp eq i32 %i.next, {most}
  br i1 %done, label %end, label %loop
end:
  ret i32 %x.next
trap:
  call void @insitu_trap(ptr %inst, i32 1)
  unreachable
}}
"""


def _passes() -> tuple[llvm.FunctionPassManager, llvm.PassBuilder]:
    machine = llvm.Target.from_default_triple().create_target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    return builder.getFunctionPassManager(), builder


def _unrolled(ir: str) -> str:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return partial_unroll.unrolled(ir, _passes)


def _run(ir: str, arguments: list[tuple[int, int]]) -> list[tuple[int, bytes]]:
    """Result, where a trap is 2^31, and memory."""
    module = llvm.parse_assembly(_TRAP.sub("ret i32 -2147483648", ir), llvm.create_context())
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    f = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
    call, found = f(engine.get_function_address("f0")), []
    for seed, bad in arguments:
        memory = ctypes.create_string_buffer(512)
        found.append((call(ctypes.addressof(memory), seed, bad), memory.raw))
    return found


@pytest.mark.parametrize("turns", [2, 3, 4, 6, 7, 8, 9, 24])
@pytest.mark.parametrize("step", [4, 12, -4])
def test_traps_in_the_same_turn(turns: int, step: int) -> None:
    first = 8 if step > 0 else 8 - step * turns
    most = first + step * turns
    ir = _LOOP.format(first=first, step=step, most=most)
    after = _unrolled(ir)
    copies = after.count("store i32")
    assert copies == next((n for n in (4, 3, 2) if turns % n == 0 and 10 * n <= 40), 1)
    arguments = list(product((1, -77), (*range(first, most, step), most, 1)))
    assert _run(after, arguments) == _run(ir, arguments)


def test_in_a_loop_of_loops_only_what_is_inside() -> None:
    inner = """
  br label %in
in:
  %j = phi i32 [ 0, %go ], [ %j.next, %in ]
  %to = getelementptr i8, ptr %at, i32 %j
  store i8 7, ptr %to
  %j.next = add i32 %j, 1
  %in.done = icmp eq i32 %j.next, 8
  br i1 %in.done, label %behind, label %in
behind:
"""
    alone = _LOOP.format(first=0, step=4, most=32).replace(
        "  store i32 %x, ptr %at\n", "  store i32 %x, ptr %at" + inner
    )
    nested = alone.replace("[ %i.next, %go ]", "[ %i.next, %behind ]").replace(
        "[ %x.next, %go ]", "[ %x.next, %behind ]"
    )
    after = _unrolled(nested.replace("store i8 7", "store volatile i8 7"))
    assert after.count("store i32") == 1 and after.count("store volatile i8") == 4
    arguments = list(product((3,), (-1, 8, 28)))
    assert _run(after, arguments) == _run(nested, arguments)


def test_what_is_not_counted_or_calls_stays() -> None:
    ir = _LOOP.format(first=0, step=4, most="%seed")
    assert _unrolled(ir) == ir
    asking = _LOOP.format(first=0, step=4, most=32).replace("store i32 %x, ptr %at", "call void @f1(ptr %at)")
    ir = asking.replace("define i32", "declare void @f1(ptr)\ndefine i32")
    assert _unrolled(ir) == ir


def test_numbers_of_metadata_that_are_taken() -> None:
    notes = "".join(f"!{n} = !{{}}\n" for n in range(930))
    assert _unrolled(_LOOP.format(first=0, step=4, most=32) + notes).count("store i32") == 4
