"""A function of Cortex-M0+ that a test writes itself, followed by the contract."""

from __future__ import annotations

import struct

from insitu.aot.contract import functions
from insitu.aot.contract import values as v
from insitu.aot.contract.thumb import ARMV6M
from insitu.aot.contract.values import Value
from insitu.aot.contract.walk import Walker

# What may be read below the instance pointer: the address of the runtime cell and more.
_READABLE = [(-64, 0)]


def walk(code: tuple[int, ...], *, instance: bool = False, trap: int | None = None) -> functions.Walk:
    """Follow the function that begins with the first halfword. instance: r0 is the instance pointer on entry.

    trap: the offset at which the function ends and the stub's trap lies; behind it only constants are left.
    Raises ContractError.
    """
    data = struct.pack(f"<{len(code)}H", *code)
    function = functions.Function("f", "function 0", 0, len(data) if trap is None else trap, functions.PROGRAM)
    known = {0: function}
    if trap is not None:
        known[trap] = functions.Function("insitu_trap", "insitu_trap", trap, 2, functions.TRAP)
    around = functions.Surroundings(ARMV6M, data, known, frozenset(), {}, [], _READABLE, {})
    registers: list[Value] = [None] * ARMV6M.registers
    registers[ARMV6M.sp], registers[ARMV6M.link] = (v.STACK, 0), (v.RETURN,)
    for r in ARMV6M.saved:
        registers[r] = (v.SAVED, r)
    if instance:
        registers[ARMV6M.arguments[0]] = (v.INSTANCE, 0)
    return Walker(around, function, registers).run()
