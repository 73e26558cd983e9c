"""How much operand stack the code takes, read off the machine code itself.

A function's frame is the sum of all that its instructions take off the stack pointer; the call graph is that
of its direct calls. Both are read from the linked code, so that library helpers count like the program's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import capstone

from insitu.errors import InsituError
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.aot.link import Code
    from insitu.aot.plan import Plan
    from insitu.aot.targets import Target

_PROGRAM = re.compile(r"^f\d+$|^t\d+$")
_STUB = "insitu_"


@dataclass(frozen=True, slots=True)
class StackUse:
    """Bytes of operand stack.

    Attributes:
        guard: what the checks must leave free below the stack pointer; see docs/SPEC.md.
        needed: the smallest stack that suffices for any call of an exposed function, or layout.NONE with
            recursion. What functions of other instances need, which imports may be bound to, comes on top.
        frames: function name to its frame.
    """

    guard: int
    needed: int
    frames: dict[str, int]


def _disassembler(target: Target) -> capstone.Cs:
    if target.arch == layout.ARCH_RV32:
        return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    return capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)


_SUB_SP = re.compile(r"^sp, (?:sp, )?#(0x[0-9a-f]+|\d+)$")
_ADD_SP = re.compile(r"^sp, (?:sp, )?-(0x[0-9a-f]+|\d+)$")
_STORE_BACK = re.compile(r"^.*\[sp, #-(0x[0-9a-f]+|\d+)\]!$")
_REGISTER_SUB = re.compile(r"^sp, (?:sp, )?([a-z]\w*)$")
_CONSTANT = re.compile(r"^(\w+), #?(-?0x[0-9a-f]+|-?\d+)$")
_REGISTER_ADD = re.compile(r"^sp, (r\d+)$")
_LITERAL = re.compile(r"^(\w+), \[pc, #(0x[0-9a-f]+|\d+)\]$")
_FROM_REGISTER = re.compile(r"^(\w+), (\w+), #?(-?0x[0-9a-f]+|-?\d+)$")


def _thumb_taken(mnemonic: str, operands: str) -> int:
    if mnemonic in ("push", "push.w"):
        return 4 * _register_count(operands)
    if mnemonic == "vpush":
        return (8 if "d" in operands else 4) * _register_count(operands)
    if mnemonic.startswith("stmdb") and operands.startswith("sp!"):
        return 4 * _register_count(operands.split(",", 1)[1])
    if mnemonic.startswith("sub") and (found := _SUB_SP.match(operands)):
        return int(found[1], 0)
    if found := _STORE_BACK.match(operands):
        return int(found[1], 0)
    return 0


def _register_count(operands: str) -> int:
    count = 0
    for part in operands.strip("{} ").split(","):
        first, _, last = part.strip(" {}").partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count


class _Constants:
    """Registers that hold a constant, as far as a large frame's prologue builds it in a straight line."""

    def __init__(self, data: bytes) -> None:
        """data: what literals are read from."""
        self._data = data
        self._known = {"zero": 0}

    def known(self, register: str) -> int | None:
        """What the register holds, where it is known."""
        return self._known.get(register)

    def note(self, address: int, mnemonic: str, operands: str) -> None:
        """An instruction was executed: what it writes is known, or no longer."""
        self.write(operands.partition(",")[0], self._value(address, mnemonic, operands))

    def write(self, register: str, value: int | None) -> None:
        """The register holds value, None: something else."""
        if value is not None:
            self._known[register] = value & 0xFFFFFFFF
        elif register != "zero":
            self._known.pop(register, None)

    def _value(self, address: int, mnemonic: str, operands: str) -> int | None:
        if mnemonic == "ldr" and (found := _LITERAL.match(operands)):
            return _word(self._data, (address + 4 & ~3) + int(found[2], 0))
        if found := _CONSTANT.match(operands):
            return self._immediate(mnemonic, self._known.get(found[1]), int(found[2], 0))
        if not (found := _FROM_REGISTER.match(operands)) or (source := self._known.get(found[2])) is None:
            return None
        if mnemonic in ("slli", "lsls"):
            return source << int(found[3], 0)
        return source + int(found[3], 0) if mnemonic == "addi" else None

    def _immediate(self, mnemonic: str, before: int | None, value: int) -> int | None:
        if mnemonic in ("movw", "mov.w", "movs", "mov", "li", "c.li"):
            return value
        if mnemonic in ("lui", "c.lui"):
            return value << 12
        if before is None:
            return None
        changed = {"movt": before & 0xFFFF | value << 16, "c.addi": before + value, "c.slli": before << max(0, value)}
        return changed.get(mnemonic)

    def taken(self, mnemonic: str, operands: str, function: str) -> int:
        """What goes off the stack pointer where a register says how much. Raises InsituError where it is not known."""
        if mnemonic.startswith(("sub", "c.sub")) and (found := _REGISTER_SUB.match(operands)) and found[1] != "sp":
            added, sign = self._known.get(found[1]), -1
        elif mnemonic == "add" and (found := _REGISTER_ADD.match(operands)):  # ARMv6-M's: of a negative constant
            added, sign = self._known.get(found[1]), 1
        else:
            return 0
        if added is None:
            raise _cannot_be_told(function, f"{mnemonic} {operands}")
        return max(0, -sign * _signed(added))


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _cannot_be_told(function: str, what: str) -> InsituError:
    return InsituError(f"the stack frame of {function} has a size that cannot be told: {what}")


def _riscv_taken(mnemonic: str, operands: str) -> int:
    if mnemonic in ("addi", "c.addi", "c.addi16sp") and (found := _ADD_SP.match(operands)):
        return int(found[1], 0)
    return 0


def _unread(md: capstone.Cs, code: bytes, offset: int) -> int:
    """Bytes of what capstone cannot decode: a constant, or a RISC-V instruction newer than it."""
    return 4 if md.arch == capstone.CS_ARCH_RISCV and _word(code, offset) & 3 == 3 else 2


def _word(code: bytes, offset: int) -> int:
    return int.from_bytes(code[offset : offset + 4], "little")


_SP = 2
# By number, the ABI's names (RISC-V ELF psABI, "Integer Register Convention").
_RISCV_NAMES = ["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", *(f"a{i}" for i in range(8))]
_RISCV_NAMES += [*(f"s{i}" for i in range(2, 12)), *(f"t{i}" for i in range(3, 7))]
_SHIFT_ADD = {2: 1, 4: 2, 6: 3}  # funct3 to what sh1add, sh2add and sh3add shift by


def _newer_taken(word: int, constants: _Constants, function: str) -> int:
    """What an instruction that capstone does not know takes off the stack pointer: Zba's sh2add and its like may."""
    if word & 3 != 3:
        return 0
    d, shift = word >> 7 & 31, _SHIFT_ADD.get(word >> 12 & 7)
    if d != _SP:
        constants.write(_RISCV_NAMES[d], None)
        return 0
    added = constants.known(_RISCV_NAMES[word >> 15 & 31])
    if word & 0x7F != 0x33 or word >> 25 != 0x10 or word >> 20 & 31 != _SP or shift is None or added is None:
        raise _cannot_be_told(function, f"the instruction {word:08x}")
    return max(0, -_signed(added) << shift)


def _frame(md: capstone.Cs, data: bytes, start: int, size: int, name: str) -> int:
    """The frame of one function. Some constants between instructions are read as code; they only add to it."""
    taken, constants, offset, end = 0, _Constants(data), start, start + size
    riscv = md.arch == capstone.CS_ARCH_RISCV
    simple = _riscv_taken if riscv else _thumb_taken
    while offset < end:
        for address, length, mnemonic, operands in md.disasm_lite(data[offset:end], offset):
            offset = address + length
            taken += simple(mnemonic, operands) or constants.taken(mnemonic, operands, name)
            constants.note(address, mnemonic, operands)
        if riscv and offset < end:
            taken += _newer_taken(_word(data, offset), constants, name)
        offset += _unread(md, data, offset)
    return taken


_IMMEDIATE = re.compile(r"^-?(0x[0-9a-f]+|\d+)$")
_INDIRECT = "*"  # among the callees of a function: what it calls through a register


def _number(text: str) -> int | None:
    """An immediate operand, or None where it is something else."""
    text = text.strip().lstrip("#")
    return int(text, 0) if _IMMEDIATE.match(text) else None


def _calls(md: capstone.Cs, code: bytes, start: int, at: dict[int, str]) -> set[str]:
    """Names of the functions that are branched to directly; _INDIRECT if one is called through a register.

    RISC-V calls with auipc and jalr: the sum of both is where it goes.
    """
    found: set[str] = set()
    offset = 0
    upper: dict[str, int] = {}
    while offset < len(code):
        for address, size, mnemonic, operands in md.disasm_lite(code[offset:], start + offset):
            offset = address + size - start
            parts = operands.split(", ")
            immediate = _number(parts[-1])
            if mnemonic == "auipc":
                upper[parts[0]] = address + (int(parts[1], 0) << 12)
            elif mnemonic in ("jalr", "jr", "c.jalr", "c.jr"):
                register = parts[-2] if immediate is not None else parts[-1]
                if register in upper:
                    found |= _named(at, upper.pop(register) + (immediate or 0))
                elif mnemonic.endswith("jalr"):
                    found.add(_INDIRECT)
            elif mnemonic == "blx" and immediate is None:
                found.add(_INDIRECT)
            elif mnemonic.split(".")[0] in ("bl", "b", "blx") and immediate is not None:
                found |= _named(at, immediate)
            elif mnemonic in ("jal", "j", "c.jal", "c.j") and immediate is not None:
                found |= _named(at, address + immediate)
        offset += _unread(md, code, offset)
    return found


def _named(at: dict[int, str], address: int) -> set[str]:
    name = at.get(address & 0xFFFFFFFF)
    return {name} if name else set()


def _deepest(name: str, frames: dict[str, int], calls: dict[str, set[str]], seen: tuple[str, ...] = ()) -> int:
    """Sum of frames on the deepest path from a library helper; helpers do not recurse."""
    if name in seen or name not in frames:
        return 0
    below = [_deepest(other, frames, calls, (*seen, name)) for other in calls[name] if other not in seen]
    return frames[name] + max(below, default=0)


_DEEPEST = 400  # calls in each other; of more, no stack size is told


class _Recursion(Exception):
    """A function that may call itself."""


class _Paths:
    """The deepest paths through functions that check the operand stack: those that call others."""

    def __init__(
        self, frames: dict[str, int], calls: dict[str, set[str]], indirect: set[str], wrappers: set[str]
    ) -> None:
        """indirect: what calls through registers may reach; wrappers: of imports, which always check."""
        self.frames = frames
        self.calls = {
            name: {c for c in called if _PROGRAM.match(c)} | (indirect if _INDIRECT in called else set())
            for name, called in calls.items()
        }
        self._checked = {name for name, called in self.calls.items() if called} | wrappers
        self._checked |= {name for name, called in calls.items() if _INDIRECT in called}
        self._known: dict[str, int] = {}
        self._open: set[str] = set()

    def depth(self, name: str) -> int:
        """Bytes; what calls nothing lies in the guard. Raises _Recursion."""
        if name in self._open or len(self._open) > _DEEPEST:
            raise _Recursion
        if name not in self._known:
            self._open.add(name)
            below = [self.depth(callee) for callee in sorted(self.calls.get(name, ()))]
            self._open.remove(name)
            self._known[name] = self.frames[name] + max(below, default=0) if name in self._checked else 0
        return self._known[name]


def _needed(paths: _Paths, frames: dict[str, int], exposed: set[str], guard: int) -> int:
    """Below a thunk, the deepest path, and the guard below that."""
    thunk = max([frame for name, frame in frames.items() if name.startswith("t")], default=0)
    try:
        deepest = max([paths.depth(name) for name in sorted(exposed) if name in frames], default=0)
    except _Recursion:
        return layout.NONE
    return (thunk + deepest + guard + 7) & ~7


def _names(indices: Iterable[int]) -> set[str]:
    """Functions' names in the linked code."""
    return {f"f{index}" for index in indices}


def measure(code: Code, plan: Plan) -> StackUse:
    """Frames of all functions, and the guard: a thunk, any frame of the program below it, the deepest helper or
    the save area of a request below that, and an interrupt's exception frame.
    """
    target = plan.target
    md = _disassembler(target)
    frames, calls = {}, {}
    at = {offset: name for offset, _, name in code.functions}
    for offset, size, name in code.functions:
        text = code.data[offset : offset + size]
        frames[name] = 0 if name.startswith(_STUB) else _frame(md, code.data, offset, size, name)
        calls[name] = _calls(md, text, offset, at)
    save_area = 104 if "FPU" in target.stub_defines else 64
    helpers = [n for n in frames if not _PROGRAM.match(n) and not n.startswith(_STUB)]
    deepest = max([save_area, *(_deepest(n, frames, calls) for n in helpers)])
    program = max([f for n, f in frames.items() if _PROGRAM.match(n)], default=0)
    thunk = max([f for n, f in frames.items() if n.startswith("t")], default=0)  # nothing checks between it and a leaf
    guard = (thunk + program + deepest + target.exception_frame + 7) & ~7
    wrappers = _names(range(plan.wasm.imported_function_count))
    paths = _Paths(frames, calls, _names(plan.address_taken), wrappers)
    return StackUse(guard, _needed(paths, frames, _names(plan.exposed), guard), frames)
