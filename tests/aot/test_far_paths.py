"""Loops with accesses that may be far, as tails.py, versions.py and far_operands.py change them: run by LLVM on this
machine, the IR before and after are the same, to the order of far accesses. The loops are random ones.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product
from random import Random

import llvmlite.binding as llvm
import pytest
from insitu.aot import far_operands, tails, versions
from insitu.aot.targets import target

_LIMIT = 128  # addresses below are near
_DECLARATION = "declare i32 @insitu_far_l32_0(ptr, i32)"
# What far accesses give depends on all before them. Its state lies behind what is near.
_FAR = f"""define i32 @insitu_far_l32_0(ptr %inst, i32 %address) noinline {{
  %at = getelementptr i8, ptr %inst, i32 {_LIMIT + 8}
  %had = load i32, ptr %at
  %more = mul i32 %had, 31
  %has = add i32 %more, %address
  store i32 %has, ptr %at
  ret i32 %has
}}"""
_OPERATIONS = ("add", "sub", "xor", "mul", "and", "or")


def _accesses(random: Random) -> tuple[str, str]:
    """The blocks of a turn, and the value at its end that is new."""
    values, blocks, at = ["%x", "%y", "%sum"], [], "loop"
    for k in range(random.randint(1, 4)):
        blocks.append(f"  %i{k} = and i32 {random.choice(values)}, {random.choice((31, 63))}")
        blocks.append(f"  %s{k} = shl i32 %i{k}, {random.choice((1, 2))}")
        blocks.append(f"  %a{k} = add i32 %s{k}, {random.choice((0, 4, 100))}")
        blocks.append(f"  %c{k} = icmp ult i32 %a{k}, {_LIMIT}")
        blocks.append(f"  br i1 %c{k}, label %near{k}, label %far{k}")
        blocks.append(f"far{k}:\n  %f{k} = call i32 @insitu_far_l32_0(ptr %inst, i32 %a{k})\n  br label %join{k}")
        blocks.append(f"near{k}:\n  %p{k} = getelementptr i8, ptr %inst, i32 %a{k}\n  %n{k} = load i32, ptr %p{k}")
        blocks.append(f"  br label %join{k}\njoin{k}:\n  %v{k} = phi i32 [ %n{k}, %near{k} ], [ %f{k}, %far{k} ]")
        blocks.append(f"  %w{k} = {random.choice(_OPERATIONS)} i32 %v{k}, {random.choice(values)}")
        values += [f"%v{k}", f"%w{k}", f"%a{k}"]
        at = f"join{k}"
        if random.random() < 0.4:
            blocks.append(f"  %e{k} = icmp eq i32 %w{k}, {random.randint(0, 3)}")
            blocks.append(f"  br i1 %e{k}, label %end, label %on{k}\non{k}:")
            at = f"on{k}"
    return "\n".join(blocks), at


def _loop(seed: int) -> str:
    random = Random(seed)
    body, last = _accesses(random)
    ends = [f"join{k}" for k in range(5) if f"label %end, label %on{k}" in body] + [last]
    values = [line.split()[0] for line in body.split("\n") if line.startswith("  %w")]
    x, y = random.choice((("%y", "%x"), ("%sum.next", "%x"), ("%x.next", "%sum"), ("%x.next", values[-1])))
    early = [f"[ {values[int(end.removeprefix('join'))]}, %{end} ]" for end in ends[:-1]]
    result = ", ".join([*early, f"[ %sum.next, %{last} ]"])
    return f"""; a module
{_DECLARATION}
define i32 @f0(ptr %inst, i32 %a, i32 %b, i32 %n) {{
entry:
  br label %loop
loop:
  %x = phi i32 [ %a, %entry ], [ {x}, %{last} ]
  %y = phi i32 [ %b, %entry ], [ {y}, %{last} ]
  %sum = phi i32 [ 7, %entry ], [ %sum.next, %{last} ]
  %turn = phi i32 [ %n, %entry ], [ %turn.next, %{last} ]
{body}
  %x.next = add i32 %x, {random.choice((1, 4, -4))}
  %sum.next = add i32 %sum, {values[-1]}
  %turn.next = add i32 %turn, -1
  %done = icmp eq i32 %turn.next, 0
  br i1 %done, label %end, label %loop
end:
  %result = phi i32 {result}
  ret i32 %result
}}
"""


def _tails(ir: str) -> str:
    written, names = tails.written(ir)
    assert names == ["f0"] and ".far" in written
    return written


def _all(ir: str) -> str:
    written, _ = tails.written(versions.written(ir))
    return far_operands.remade(versions.tidied(written), target("cortex-m4f"))


_CHANGES: dict[str, Callable[[str], str]] = {
    "tails": _tails,
    "operands": lambda ir: far_operands.remade(ir, target("cortex-m4f")),
    "operands, few registers": lambda ir: far_operands.remade(ir, target("cortex-m0plus")),
    "all": _all,
}


def _function(ir: str) -> tuple[llvm.ExecutionEngine, Callable[..., int]]:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(ir.replace(_DECLARATION, _FAR), llvm.create_context())
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kinds = (ctypes.c_void_p, *(ctypes.c_int32,) * 3)
    return engine, ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(engine.get_function_address("f0"))


def _same(ir: str, changed: str, *inputs: tuple[int, ...]) -> None:
    kept, before = _function(ir)
    kept_too, after = _function(changed)
    for a, b, n in product(*inputs):
        memories = [ctypes.create_string_buffer(bytes(range(_LIMIT + 16)), _LIMIT + 16) for _ in range(2)]
        one, other = (f(ctypes.addressof(m), a, b, n) for f, m in zip((before, after), memories, strict=True))
        assert (one, memories[0].raw) == (other, memories[1].raw), (a, b, n)
    del kept, kept_too


@pytest.mark.parametrize("change", _CHANGES)
def test_nobody_sees_what_was_changed(change: str) -> None:
    for seed in range(60):
        ir = _loop(seed)
        changed = _CHANGES[change](ir)
        assert changed != ir
        _same(ir, changed, (0, 3, 31, 60, -5), (1, 33), (1, 2, 17))


# All far, or all near, as two comparisons before the loop say.
_WALK = f"""; a module
{_DECLARATION}
define i32 @f0(ptr %inst, i32 %a, i32 %b, i32 %n) {{
entry:
  br label %loop
loop:
  %x = phi i32 [ %a, %entry ], [ %x.next, %join1 ]
  %y = phi i32 [ %b, %entry ], [ %y.next, %join1 ]
  %sum = phi i32 [ 7, %entry ], [ %sum.next, %join1 ]
  %turn = phi i32 [ %n, %entry ], [ %turn.next, %join1 ]
  %c0 = icmp ult i32 %x, {_LIMIT - 4}
  br i1 %c0, label %near0, label %far0
far0:
  %f0 = call i32 @insitu_far_l32_0(ptr %inst, i32 %x)
  br label %join0
near0:
  %p0 = getelementptr i8, ptr %inst, i32 %x
  %n0 = load i32, ptr %p0
  br label %join0
join0:
  %v0 = phi i32 [ %n0, %near0 ], [ %f0, %far0 ]
  %c1 = icmp ugt i32 %y, {_LIMIT - 4}
  br i1 %c1, label %far1, label %near1
far1:
  %f1 = call i32 @insitu_far_l32_0(ptr %inst, i32 %y)
  br label %join1
near1:
  %p1 = getelementptr i8, ptr %inst, i32 %y
  %n1 = load i32, ptr %p1
  br label %join1
join1:
  %v1 = phi i32 [ %n1, %near1 ], [ %f1, %far1 ]
  %both = mul i32 %v0, %v1
  %sum.next = add i32 %sum, %both
  %x.next = add i32 %x, 4
  %y.next = add i32 %y, -3
  %turn.next = add i32 %turn, -1
  %done = icmp eq i32 %turn.next, 0
  br i1 %done, label %end, label %loop
end:
  ret i32 %sum.next
}}
"""


def test_a_loop_without_checks_is_entered_where_nothing_is_far() -> None:
    written = versions.tidied(versions.written(_WALK))
    assert written.count("call i32 @insitu_far") == 2 and written.count("load i32") == 4
    firsts = (0, 60, 100, 116, 120, 124, 125, -4), (0, 3, 48, 51, 124, 125, 200)
    _same(_WALK, written, *firsts, (1, 2, 3, 9, 16, 40))
