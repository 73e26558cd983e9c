"""The module's functions as LLVM IR, after its plan: import wrappers, functions, thunks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from insitu.aot import alignment, body, calls, far_calls, locations, numeric, polls, signature
from insitu.aot.function import FunctionBuilder
from insitu.aot.ir_types import ir_types, result_type
from insitu.aot.optimise import INLINING_THRESHOLD
from insitu.aot.unroll import unrolled
from insitu.port.xip import layout
from insitu.wasm.opcodes import OPCODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from insitu.aot.plan import Plan
    from insitu.wasm.module import Function

# Type-based alias analysis: what lies in the instance block is never in linear memory; invariant: no-alias.
_METADATA = """
!0 = !{!"insitu"}
!1 = !{!"linear memory", !0, i64 0}
!2 = !{!"header", !0, i64 0}
!3 = !{!"args", !0, i64 0}
!4 = !{!"global", !0, i64 0}
!5 = !{!"table", !0, i64 0}
!11 = !{!1, !1, i64 0}
!12 = !{!2, !2, i64 0}
!13 = !{!3, !3, i64 0}
!14 = !{!4, !4, i64 0}
!15 = !{!5, !5, i64 0}
!20 = !{!"branch_weights", i32 1, i32 1048575}
!21 = !{!"branch_weights", i32 1048575, i32 1}
"""
_TAGS = {
    "!tbaa !memory": "!tbaa !11",
    "!tbaa !header": "!tbaa !12",
    "!tbaa !args": "!tbaa !13",
    "!tbaa !global": "!tbaa !14",
    "!tbaa !table": "!tbaa !15",
    "!prof !unlikely": "!prof !20",
    "!prof !likely": "!prof !21",
}
# LLVM's units. The toolchain that wrote the module could not inline what it calls through a table; others it has judged
# (optimise.py).
_INLINING_CHOSEN = 60
_FAR_CALL = 45  # an access on the slow path
_RUNTIME_DECLARATIONS = """
declare void @insitu_trap(ptr, i32) #1
declare void @insitu_host_call(ptr, i32) #2
declare void @insitu_stack_check(ptr) #3
declare void @llvm.memset.p0.i32(ptr, i8, i32, i1)
declare void @llvm.memmove.p0.p0.i32(ptr, ptr, i32, i1)
attributes #0 = { nounwind }
attributes #1 = { cold noreturn nounwind }
attributes #2 = { nounwind }
attributes #3 = { nounwind willreturn memory(inaccessiblemem: readwrite) }
"""


_ARGUMENT_WORDS = 4  # in registers, on all targets
_POLLING = 4  # copies of a loop over data: what a turn does is there to outweigh its poll
# A function of the module's own that is defined; a wrapper has no location.
_LOCATED = re.compile(r"^define .*?@f(\d+)\(.* !dbg ", re.MULTILINE)


def parts(plan: Plan, *, unroll: bool) -> Iterator[tuple[str, str]]:
    """Name and definition of each function: import wrappers, functions, thunks.

    unroll: whether loops over data are written out (unroll.py).
    """
    first = plan.wasm.imported_function_count
    copies = _POLLING if plan.interruptible else plan.target.copies
    for i in range(first):
        yield f"f{i}", _wrapper(plan, i)
    for i, function in enumerate(plan.wasm.functions, first):
        body = unrolled(function.body, copies, window=bool(plan.memory.window)) if unroll else function.body
        yield f"f{i}", _function(plan, i, replace(function, body=body))
    for i in plan.thunk_types:
        yield f"t{i}", _thunk(plan, i)


def declaration(plan: Plan, index: int) -> str:
    """Of a function that another unit defines."""
    head = _define(plan, index, "%a").partition(" align 4")[0]
    return head.replace("define internal", "declare hidden", 1).replace("define hidden", "declare hidden", 1)


def write(plan: Plan, texts: Iterable[str]) -> str:
    """LLVM IR of these definitions and declarations, before the operand stack checks (optimise.add_stack_checks)."""
    text = "\n".join([numeric.DECLARATIONS, _RUNTIME_DECLARATIONS, *alignment.helpers(plan), *texts])
    if plan.memory.window:
        text += "\n" + far_calls.declarations(plan.target, text)
    if plan.interruptible:
        text += polls.MARK
    for tag, number in _TAGS.items():
        text = text.replace(tag, number)
    # before the functions: LLVM makes a location again when what it refers to comes behind it
    located = locations.metadata(map(int, _LOCATED.findall(text))) if plan.located else ""
    return f'target triple = "{plan.target.triple}"\n{_METADATA}{located}{text}'


def _define(plan: Plan, index: int, names: str) -> str:
    function_type = plan.function_type(index)
    params, results = ir_types(function_type.params), ir_types(function_type.results)
    arguments = "".join(f", {t} {names}{i}" for i, t in enumerate(params))
    exposed = index in plan.exposed
    linkage = "hidden" if exposed else "internal"
    word = f" prefix i32 {signature.word(function_type)}" if exposed else ""
    attributes = "nounwind"
    if index < plan.wasm.imported_function_count or index in plan.allocators:
        attributes += " noinline"
    elif index in plan.chosen or plan.memory.window:
        attributes += f' "function-inline-threshold"="{_inlining_threshold(plan, index)}"'
    return (
        f"define {linkage} {result_type(results)} @f{index}"
        f"({plan.instance(index)} nonnull noundef align 8 %inst{arguments}) {attributes} align 4{word}"
    )


def _inlining_threshold(plan: Plan, index: int) -> int:
    """Of a function of the module's own: what leads to the far routine does not count."""
    body = plan.wasm.functions[index - plan.wasm.imported_function_count].body
    far = sum(bool(OPCODES[opcode].width) for opcode, *_ in body) if plan.memory.window else 0
    return (_INLINING_CHOSEN if index in plan.chosen else INLINING_THRESHOLD) + _FAR_CALL * far


def _function(plan: Plan, index: int, function: Function) -> str:
    located = f" {locations.of_function(index)}" if plan.located else ""
    return f"{_define(plan, index, '%a')}{located} {{\n{body.build_body(plan, index, function)}\n}}"


def _wrapper(plan: Plan, index: int) -> str:
    """An import: another instance's function where the slot has one, a request to the runtime otherwise.

    The function's type was compared when it was linked, its instance outlives this one; invariant: import-slot.
    Neither a request nor a jump, which takes no stack, needs a stack check; invariant: stack-guard.
    """
    f, function_type = FunctionBuilder(plan), plan.function_type(index)
    params, results = ir_types(function_type.params), ir_types(function_type.results)
    arguments = [(t, f"%a{i}") for i, t in enumerate(params)]
    f.start_block("entry")
    slot = f.instance_pointer(plan.import_slots[index])
    code = f.value(f"load ptr, ptr {slot}, align 4, !invariant.load !{{}}")
    f.line(f"br i1 {f.value(f'icmp eq ptr {code}, null')}, label %python, label %direct")
    f.start_block("python")
    f.request(layout.REQUEST_IMPORT, index, arguments)
    calls.emit_return(f, results, [f.load_argument(i, t) for i, t in enumerate(results)])
    f.start_block("direct")
    jump = _is_jump(plan, params, results)
    if not jump:
        f.line("call void @insitu_stack_check(ptr %inst)")
    owner = f.instance_pointer(plan.import_slots[index] - layout.IMPORT_SLOT_INSTANCE)
    instance = f.value(f"load ptr, ptr {owner}, align 4, !invariant.load !{{}}")
    passed = "".join(f", {t} {v}" for t, v in arguments)
    call = f"{'musttail ' * jump}call {result_type(results)} {code}(ptr {instance}{passed})"
    if results:
        f.line(f"ret {result_type(results)} {f.value(call)}")
    else:
        f.line(call)
        f.line("ret void")
    return f"{_define(plan, index, '%a')} {{\n{f.finish()}\n}}"


def _is_jump(plan: Plan, params: tuple[str, ...], results: tuple[str, ...]) -> bool:
    """Whether LLVM surely makes a call with a function's own arguments and result its last jump: all in registers."""
    words = 1  # the instance pointer
    for ir_type in params:
        size = 1 if ir_type in ("i32", "float", "ptr") else 2
        words += size + words % size  # in an even register and the next: AAPCS, 6.5
    return plan.target.tail_calls and len(results) <= 1 and words <= _ARGUMENT_WORDS


def _thunk(plan: Plan, type_index: int) -> str:
    """Called by the stub: arguments from the args area, results back into it, but the first, which the stub puts there.

    The function comes in the last register of an argument, where it is in nobody's way.
    It checks no stack: the stub did; invariant: stack-start. Types and room in the args area; invariant: args-area.
    """
    f, function_type = FunctionBuilder(plan), plan.wasm.types[type_index]
    params, results = ir_types(function_type.params), ir_types(function_type.results)
    f.start_block("entry")
    arguments = "".join(f", {t} {f.load_argument(i, t)}" for i, t in enumerate(params))
    call = f"tail call {result_type(results)} %function(ptr %inst{arguments})"
    returned = "void"
    if results:
        first, *others = _each(f, f.value(call), results)
        for i, (ir_type, value) in enumerate(zip(results[1:], others, strict=True), 1):
            f.store_argument(i, ir_type, value)
        bits = numeric.INTEGER_OF.get(results[0])
        returned = f"{bits} {f.value(f'bitcast {results[0]} {first} to {bits}')}" if bits else f"{results[0]} {first}"
    else:
        f.line(call)
    f.line(f"ret {returned}")
    mark = signature.word(function_type) ^ layout.MARK_THUNK ^ plan.window_mark
    kind = returned.partition(" ")[0]
    unused = ", i32" * (_ARGUMENT_WORDS - 2)
    head = f"define hidden {kind} @t{type_index}(ptr %inst{unused}, ptr %function) nounwind align 4 prefix i32 {mark}"
    return f"{head} {{\n{f.finish()}\n}}"


def _each(f: FunctionBuilder, returned: str, results: tuple[str, ...]) -> list[str]:
    """The results of a function that returned them as result_type says."""
    if len(results) == 1:
        return [returned]
    return [f.value(f"extractvalue {result_type(results)} {returned}, {i}") for i in range(len(results))]
