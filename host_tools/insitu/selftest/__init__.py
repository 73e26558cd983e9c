"""What `insitu selftest` asks of a board, a row a check.

To add one: a file here with a function that takes a Bench, and a row in CHECKS.
"""

from __future__ import annotations

from collections.abc import Mapping

from insitu.selftest import arithmetic, calls, flash, floats, garbage, image, interrupts, memory, stack, traps
from insitu.selftest.bench import Check

CHECKS: Mapping[str, Check] = {
    "image": image.check,
    "arithmetic": arithmetic.check,
    "floats": floats.check,
    "traps": traps.check,
    "stack overflow": stack.check,
    "calls": calls.check,
    "garbage collections": garbage.check,
    "interrupts": interrupts.check,
    "memory": memory.check,
    "flash": flash.check,  # the last: a writer may reset the board
}
