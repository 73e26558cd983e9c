"""A function that a test writes itself, followed by the contract."""

from __future__ import annotations

import struct

from insitu.aot.contract import functions
from insitu.aot.contract import values as v
from insitu.aot.contract.instruction import Architecture
from insitu.aot.contract.thumb import ARMV6M
from insitu.aot.contract.values import Value
from insitu.aot.contract.walk import Walker

# What may be read below the instance pointer: the address of the runtime cell and more.
_READABLE = [(-64, 0)]


def walk(
    code: tuple[int, ...],
    *,
    instance: bool = False,
    argument: Value = None,
    others: dict[int, int] | None = None,
    incoming: int = 0,
    words: dict[int, tuple[int, int]] | None = None,
    machine: Architecture = ARMV6M,
    kept: bool = False,
) -> functions.Walk:
    """Follow the function that begins with the first halfword, of a Cortex-M0+ if machine does not say otherwise.

    r0 is the instance pointer on entry, or argument; if kept, the register for that is.
    others: offsets of further functions to their kinds; the first of them ends this one.
    incoming: bytes of its arguments on the stack. words: signature words, as in functions.Surroundings.

    Raises ContractError.
    """
    data = struct.pack(f"<{len(code)}H", *code)
    function = functions.Function(
        "f", "function 0", 0, min(others or {}, default=len(data)), functions.PROGRAM, incoming, kept=kept
    )
    known = {0: function}
    for start, kind in (others or {}).items():
        known[start] = functions.Function(f"other {kind}", f"other {kind}", start, 2, kind)
    around = functions.Surroundings(machine, data, known, {}, words or {}, [], _READABLE, {})
    registers: list[Value] = [None] * machine.registers
    registers[machine.sp], registers[machine.link] = (v.STACK, 0), (v.RETURN,)
    for r in machine.saved:
        registers[r] = (v.SAVED, r)
    registers[machine.instance if kept else machine.arguments[0]] = (v.INSTANCE, 0) if instance else argument
    return Walker(around, function, registers).run()
