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


def walk(
    code: tuple[int, ...],
    *,
    instance: bool = False,
    argument: Value = None,
    others: dict[int, int] | None = None,
    incoming: int = 0,
    words: dict[int, tuple[int, int]] | None = None,
) -> functions.Walk:
    """Follow the function that begins with the first halfword. r0 is the instance pointer on entry, or argument.

    others: offsets of further functions to their kinds; the first of them ends this one.
    incoming: bytes of its arguments on the stack. words: signature words, as in functions.Surroundings.

    Raises ContractError.
    """
    data = struct.pack(f"<{len(code)}H", *code)
    function = functions.Function(
        "f", "function 0", 0, min(others or {}, default=len(data)), functions.PROGRAM, incoming
    )
    known = {0: function}
    for start, kind in (others or {}).items():
        known[start] = functions.Function(f"other {kind}", f"other {kind}", start, 2, kind)
    around = functions.Surroundings(ARMV6M, data, known, frozenset(), words or {}, [], _READABLE, {})
    registers: list[Value] = [None] * ARMV6M.registers
    registers[ARMV6M.sp], registers[ARMV6M.link] = (v.STACK, 0), (v.RETURN,)
    for r in ARMV6M.saved:
        registers[r] = (v.SAVED, r)
    registers[ARMV6M.arguments[0]] = (v.INSTANCE, 0) if instance else argument
    return Walker(around, function, registers).run()
