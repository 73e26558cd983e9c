"""How many bytes of a WebAssembly function's arguments lie on the stack.

Procedure Call Standard for the Arm Architecture (AAPCS32), 6.5 and 7; RISC-V Calling Conventions, ilp32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from insitu.aot import signature

if TYPE_CHECKING:
    from insitu.aot.contract.instruction import Architecture
    from insitu.wasm.types import FuncType

_DOUBLE = "IFp"  # of 8 bytes; "p", a funcref, is an i64 of compiled code
_FLOAT = "fF"
_FLOAT_REGISTERS = 16  # single-precision ones that take arguments


def on_stack(function_type: FuncType, machine: Architecture, hard_float: bool, instance: bool) -> int:
    """Bytes of arguments; the address of results that do not fit into registers is one, instance: its pointer, too."""
    in_memory = not _in_registers(function_type, machine, hard_float)
    used, stack = instance + in_memory, 0
    floats = list(range(_FLOAT_REGISTERS))
    for letter in map(signature.letter, function_type.params):
        words = 2 if letter in _DOUBLE else 1
        if hard_float and letter in _FLOAT:
            fits = _take(floats, words)
        else:
            if machine.even_pairs:
                used = -(-used // words) * words
            used += words
            fits = used <= len(machine.arguments)
        if not fits:
            stack = -(-stack // (4 * words)) * 4 * words + 4 * words
    return stack


def _take(free: list[int], words: int) -> bool:
    """Take the lowest register or pair of even number; when there is none, nothing behind gets one, either."""
    for n in free:
        if words == 1 or (n % 2 == 0 and n + 1 in free):
            free[:] = [m for m in free if not n <= m < n + words]
            return True
    free.clear()
    return False


def _in_registers(function_type: FuncType, machine: Architecture, hard_float: bool) -> bool:
    """Whether LLVM returns the results so."""
    words = floats = 0
    for letter in map(signature.letter, function_type.results):
        count = 2 if letter in _DOUBLE else 1
        if hard_float and letter in _FLOAT:
            floats = -(-floats // count) * count + count
        else:
            words += count
    return words <= machine.results and floats <= _FLOAT_REGISTERS
