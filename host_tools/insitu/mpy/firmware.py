"""What a firmware says of itself, for modules written in C."""

from __future__ import annotations

import json
import re

from insitu.errors import InsituError
from insitu.link.runner import DeviceError, Runner
from insitu.mpy.in_c import Firmware
from insitu.port.xip.inplace.blob import CONTEXT_OBJECTS, FUN_TABLE, FUNCTION_CONTEXT

# The table is the first constant of what is compiled alone and uses it. Who follows a wrong address may end in a fault.
_ASK = f"""
import gc, machine, micropython
exec('@micropython.viper\\ndef f(): pass')
def word(a): return machine.mem32[a] & 0xffffffff
def near(a): return not a & 3 and a >> 24 == id(f) >> 24
def table():
    context = word(id(f) + {FUNCTION_CONTEXT})
    constants = near(context) and word(context + {CONTEXT_OBJECTS})
    return near(constants) and word(constants)
t = table()
print([t] + [word(t + 4 * i) for i in range({FUN_TABLE}) if t])
print([id(x) & 0xffffffff for x in (None, False, True, type, str, list, dict)])
print(gc.mem_free() + gc.mem_alloc())
micropython.mem_info(1)
"""
_KNOWN = (0, 1, 2, 73, 74, 75, 76)  # py/nativeglue.h: where the table has the objects that are asked for
_HEAP = re.compile(rb"GC memory layout; from (?:0x)?([0-9a-f]+):")


def ask(link: Runner, name: str) -> Firmware:
    """What code in C is linked to on the board called name. Raises InsituError where its firmware does not say it."""
    try:
        said = link.run(_ASK)
    except DeviceError as error:
        raise InsituError(f"{name}: its firmware does not say where mp_fun_table is: {error}") from None
    table, known, size = (json.loads(line) for line in said.splitlines()[:3])
    if len(table) != FUN_TABLE + 1 or [table[1 + i] for i in _KNOWN] != known:
        raise InsituError(f"{name}: mp_fun_table is not where MicroPython 1.25 has it")
    starts = _HEAP.findall(said)
    if len(starts) != 1:
        raise InsituError(f"{name}: MicroPython's heap is in {len(starts)} parts: code in C is linked to one part")
    return Firmware(table[0], tuple(table[1:]), int(starts[0], 16) + size)
