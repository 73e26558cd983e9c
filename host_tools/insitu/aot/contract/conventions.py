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


def on_stack(function_type: FuncType, machine: Architecture, hard_float: bool) -> int:
    """At most: of several results, the address of where they go may come first or not."""
    given = 2 if len(function_type.results) > 1 else 1
    used, floats, stack = given, 0, 0
    for letter in map(signature.letter, function_type.params):
        words = 2 if letter in _DOUBLE else 1
        if hard_float and letter in _FLOAT:
            floats = -(-floats // words) * words + words
            fits = floats <= _FLOAT_REGISTERS
        else:
            if machine.even_pairs:
                used = -(-used // words) * words
            used += words
            fits = used <= len(machine.arguments)
        if not fits:
            stack = -(-stack // (4 * words)) * 4 * words + 4 * words
    return stack
