"""The contract that machine code must keep for the sandbox to hold, proven on the linked bytes before they are packed.

Nothing here is taken from LLVM or the linker but bytes: instructions are decoded (thumb.py, riscv.py), each function is
followed along every way through it (walk.py), and what is shared with the compiler is the layout and the plan.

Proven from the instructions, whatever wrote them:

- Every instruction is one that program code may have: none that reads or writes system registers, changes
  privilege, masks interrupts, waits, or changes the rounding mode.
- Control stays in the function: branches lead to its own instructions, jump tables are read and their index was
  compared with their length, nothing falls through the end. It leaves by a return to the address that it was
  entered with, with the stack pointer and the registers that belong to the caller as they were, or by a jump to
  another function in the same state.
- Direct calls go to starts of functions: of the program, of the library, or the two of the stub that leave for the
  runtime. Thunks and the stub's entry are called by nobody. Routines that save and restore registers are followed as if
  they stood in their callers.
- Calls through registers: of an import's slot in the instance block, with the instance pointer of the same slot; of
  code whose signature word was compared with one of the module's types on every way there; in a thunk, of what it was
  given. A function that is exposed is given the instance pointer. Where it comes in a register that belongs to
  the caller, it is left there. The word of a null funcref, which LLVM may know one
  to be, is the 0 of the runtime cell: no type's word, so that no way leads from its comparison to a call.
- The stack pointer moves by constants, is the same on every way to an instruction, and never rises above the
  frame. The frame is accessed at constant offsets inside of it, the caller's stack only where arguments lie.
- Program code is called only after the stack pointer was compared with the limit in the runtime cell, on every way,
  and found not below it. What may then lie below it, the guard, is computed from the same walks and from the
  stub's own pushes (stack.py).
- At constant offsets from the instance pointer code writes only globals, the args area, tables that lie in the block
  and linear memory of constant size; never the header, import slots, or the runtime cell.
- Requests to the runtime are constants.

Proven by identity with the object files that LLVM wrote (provenance.py): that every function is the program's, the
stub's or the library's, and that every byte of it is as it was generated. So the comparisons of addresses with the
size of memory and of indices with the length of tables are those that aot/memory.py and aot/tables.py ask for, as
LLVM left them: that LLVM keeps what they mean is trusted, as are ziglang's library and the stub; of the library's
functions, whose outlined parts keep no calling convention, frames, calls and instructions are read, no more. An
access through an address that is neither the frame nor at a constant offset from the instance pointer is taken to
stay where these comparisons keep it; what is proven above holds as long as it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from insitu.aot import alignment, far_calls, signature
from insitu.aot.contract import conventions, functions, groups, provenance, riscv, stack, thumb
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.functions import CallGraph, Function, Surroundings, Walk
from insitu.aot.contract.group import Group, News, on_entry
from insitu.aot.contract.instruction import Architecture
from insitu.aot.contract.provenance import Provenance
from insitu.aot.contract.stack import Stack, StackUse
from insitu.aot.contract.walk import Walker
from insitu.port.xip import layout
from insitu.wasm.demangle import readable

if TYPE_CHECKING:
    from insitu.aot.link import Code
    from insitu.aot.plan import Plan
    from insitu.wasm.types import FuncType

__all__ = ["ContractError", "StackUse", "check"]

ARCHITECTURES: dict[int, Architecture] = {
    layout.ARCH_ARMV6M: thumb.ARMV6M,
    layout.ARCH_THUMB: thumb.ARCHITECTURE,
    layout.ARCH_THUMB_HARD_FLOAT: thumb.ARCHITECTURE,
    layout.ARCH_RV32: riscv.ARCHITECTURE,
}
_STUB = {
    "insitu_enter": functions.STUB,
    "insitu_host_call": functions.HOST_CALL,
    "insitu_trap": functions.TRAP,
    "insitu_poll": functions.POLL,
    "__riscv_save_": functions.SAVE,
    "__riscv_restore_": functions.RESTORE,
}


def check(code: Code, objects: list[bytes], plan: Plan) -> StackUse:
    """Prove the contract of code, which was linked from these object files; the operand stack that it takes.

    Raises ContractError, which names the function and the offset in it.
    """
    origin = Provenance(code, objects, plan.target, far=plan.far, polls=plan.interruptible)
    origin.prove()
    return _Image(code, origin, plan).check()


class _Image:
    """The functions of one image and what was found in them."""

    def __init__(self, code: Code, origin: Provenance, plan: Plan) -> None:
        self.plan, self.code = plan, code.data
        self.machine = ARCHITECTURES[plan.target.arch]
        self.functions: dict[int, Function] = {}
        self.walks: dict[int, Walk] = {}
        self.whole: set[int] = set()  # see group.Found
        for offset, symbol, role in origin.functions:
            made = self._function(symbol.name, offset, symbol.size, role)
            if offset not in self.functions:  # otherwise another name for the same code
                self.functions[offset] = made
        self.constants = origin.constants()
        self.around = self._surroundings()

    def _function(self, name: str, offset: int, size: int, role: str) -> Function:
        if role == provenance.STUB:
            return Function(name, name, offset, size, _STUB[name.rstrip("0123456789")])
        if role == provenance.FAR:
            made = Function(name, f"far routine {name}", offset, size, functions.LIBRARY, far=True)
            made.kept, made.results = self.plan.target.instance_register, far_calls.result_words(name)
            return made
        if role == provenance.LIBRARY:
            return Function(name, f"library helper {name}", offset, size, functions.LIBRARY)
        if name.partition(".")[0] in alignment.NAMES:
            return Function(name, f"helper {name}", offset, size, functions.BYTES)
        # ir.py names functions f and thunks t, with their index; what LLVM makes of one has more behind a point.
        head, _, clone = name.partition(".")
        if head[:1] not in ("f", "t") or not head[1:].isdecimal():
            raise ContractError(name, 0, "the object file has a function that no WebAssembly function became")
        index = int(head[1:])
        if head[0] == "t":
            kind, function_type, label = functions.THUNK, self.plan.wasm.types[index], f"thunk of type {index}"
        else:
            kind, function_type = functions.PROGRAM, self.plan.function_type(index)
            known = readable(self.plan.wasm.function_name(index))
            label = f"function {index}" + (f" ({known})" if known else "") + (f", LLVM's clone {name}" if clone else "")
        kept = kind == functions.PROGRAM and self.plan.instance_register(index)
        incoming = self._on_stack(function_type, not kept)
        made = Function(name, label, offset, size, kind, incoming, len(function_type.results), kept=kept)
        made.exposed = kind == functions.PROGRAM and not clone and index in self.plan.exposed
        made.returns = kind != functions.PROGRAM
        made.type = self.plan.wasm.types.index(function_type)
        return made

    def _on_stack(self, function_type: FuncType, instance: bool = True) -> int:
        hard_float = self.plan.target.arch == layout.ARCH_THUMB_HARD_FLOAT
        return conventions.on_stack(function_type, self.machine, hard_float, instance)

    def _of_type(self, function_type: FuncType) -> tuple[int, int]:
        """What a call through a register takes: bytes of arguments on the stack, results."""
        return self._on_stack(function_type), len(function_type.results)

    def _surroundings(self) -> Surroundings:
        plan = self.plan
        own = plan.global_slots[plan.imported_globals :]
        places = [(-slot, 8 - slot) for slot in own]
        places.append((-plan.args_distance, 8 * plan.args_slots - plan.args_distance))
        for index, table in enumerate(plan.tables):
            if table.entries and index not in plan.constant_tables:
                places.append((-table.entries, table.entry_size * table.length - table.entries))
        if plan.interruptible:
            places.append((-layout.INSTANCE_FUEL, 4 - layout.INSTANCE_FUEL))
        end = plan.memory.size + plan.memory.slack if plan.memory.fixed else 0
        if plan.memory.window:
            end = plan.memory.window.size
        words: dict[int, tuple[int, int]] = {}
        for t in plan.wasm.types:
            words[signature.word(t)] = self._of_type(t)
        return Surroundings(
            architecture=self.machine,
            code=self.code,
            functions=self.functions,
            imports={slot: self._of_type(plan.function_type(i)) for i, slot in enumerate(plan.import_slots)},
            words=words,
            writable=_joined([*places, (0, end)]),
            readable=[(-plan.instance_size, end)],
            conventions={},
        )

    # --- walking ---

    def check(self) -> StackUse:
        starts: dict[int, list[int]] = {}
        for start, function in self.functions.items():
            starts.setdefault(function.kind, []).append(start)
        program, thunks = starts.get(functions.PROGRAM, []), Group(self.around, range(0))
        # first: they say which register brings the instance pointer
        news = thunks.follow(News(starts.get(functions.THUNK, [])))
        exposed = [start for start in program if self.functions[start].exposed]
        for found in (thunks.found(), groups.follow(self.around, replace(news, entered=exposed))):
            self.walks |= found.walks
            self.whole |= found.whole
        for start in program:
            if start not in self.walks:
                raise ContractError(self.functions[start].label, 0, "nothing in the image can reach it")
        for start in list(self.walks):
            self._walk_helpers(start)
            if start in self.whole:
                self._all_reached(start)
        return self._stack(starts)

    def _walk_helpers(self, start: int) -> None:
        """The library helpers that a function calls, and those that they call; each once a target."""
        pending = [start]
        while pending:
            caller = pending.pop()
            for call in self.walks[caller].calls:
                callee = call.callee
                if callee is None or self.functions[callee].kind not in (functions.LIBRARY, functions.BYTES):
                    continue
                if callee not in self.walks:
                    self.walks[callee] = Walker(self.around, self.functions[callee], on_entry(self.around)).run()
                    pending.append(callee)
                if not self.walks[callee].returns <= {call.depth if call.tail else 0}:
                    reason = f"{self.functions[callee].label} returns with another stack pointer"
                    raise ContractError(self.functions[caller].label, call.at - caller, reason)

    def _all_reached(self, start: int) -> None:
        """What lies between a function's instructions is constants that it reads, its jump tables, or padding."""
        found, function = self.walks[start], self.functions[start]
        at = function.start
        while at < function.end:
            if at in found.instructions:
                at += found.instructions[at]
            elif at in found.tables:
                at = found.tables[at]
            elif at in found.constants:
                at += 4
            elif self.code[at : at + 2] in _PADDING or at in self.constants:
                at += 2
            elif at % 2:
                at += 1  # behind a table of bytes
            else:
                raise ContractError(function.label, at - start, "code that nothing in the function reaches")

    # --- the operand stack ---

    def _stack(self, starts: dict[int, list[int]]) -> StackUse:
        plan, machine = self.plan, self.machine
        by_name = {function.name: function for function in self.functions.values()}
        saved = stack.save_area(machine, self.code, by_name["insitu_host_call"]) if functions.HOST_CALL in starts else 0
        entered = stack.entered_depth(machine, self.code, by_name["insitu_enter"])
        polled = stack.pushed(machine, self.code, by_name["insitu_poll"]) if functions.POLL in starts else 0
        sums = Stack(self.functions, self.walks, saved, polled + saved)
        guard = sums.guard(entered, plan.target.exception_frame)

        def named(indices: set[int]) -> tuple[int, ...]:
            return tuple(by_name[f"f{i}"].start for i in sorted(indices) if f"f{i}" in by_name)

        exposed, indirect = named(plan.exposed), named(plan.address_taken)
        needed = sums.needed(exposed, indirect, entered, guard)
        graph = CallGraph(self.functions, self.walks, exposed, indirect, entered)
        return StackUse(guard, needed, graph, saved)


_PADDING = (b"\x00\xbf", b"\xc0\x46", b"\x00\x00", b"\x01\x00")  # NOP (T1), MOV r8, r8, alignment, C.NOP


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch, as one: a store of 8 bytes may lie across two."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(r for r in ranges if r[0] < r[1]):
        if made and low <= made[-1][1]:
            made[-1] = made[-1][0], max(high, made[-1][1])
        else:
            made.append((low, high))
    return made
