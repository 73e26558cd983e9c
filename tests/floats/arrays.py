"""Operations over whole arrays in linear memory, compiled for a target and run on its simulated CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import wasmtime
from insitu import aot, sim

from tests.floats.expressions import BITS, Operation, constant_text, held, text
from tests.floats.ieee import WORD, Array

COUNT = 1 << 16  # elements of an array
SLOT = 8 * COUNT  # where a, b and the results begin: at its multiples
_PAGE = 65536
_FLASH = 0x08000000
_HEAP = (0x20000000, 4 << 20)


def _loop(number: int, operation: Operation) -> str:
    """Export number: for `count` elements."""
    loads, steps = [], []
    for name, t in zip("ab", operation.params, strict=False):
        loads.append(f"(local.set ${name} ({t}.load (local.get $at_{name})))")
        steps.append(f"(local.set $at_{name} (i32.add (local.get $at_{name}) (i32.const {BITS[t] // 8})))")
    result, constants = operation.result, held(operation.expression)
    declared = " ".join(f"(local ${name} {t})" for name, t in zip("ab", operation.params, strict=False))
    declared += " ".join(f"(local ${constant.local} {constant.type})" for constant in constants)
    # a local is 0 before it is set
    kept = " ".join(f"(local.set ${c.local} {constant_text(c)})" for c in constants if c.bits)
    return f"""(func (export "{number}") (param $count i32)
      {declared} (local $at_a i32) (local $at_b i32) (local $at i32)
      (local.set $at_b (i32.const {SLOT})) (local.set $at (i32.const {2 * SLOT}))
      {kept}
      (loop $next {" ".join(loads)}
        ({result}.store (local.get $at) {text(operation.expression)})
        {" ".join(steps)}
        (local.set $at (i32.add (local.get $at) (i32.const {BITS[result] // 8})))
        (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))"""


def module(operations: list[Operation]) -> bytes:
    """WebAssembly with one function for each operation, by its number."""
    functions = "\n".join(_loop(number, operation) for number, operation in enumerate(operations))
    return bytes(wasmtime.wat2wasm(f'(module (memory (export "memory") {3 * SLOT // _PAGE})\n{functions})'))


def _count(operands: dict[str, Array]) -> int:
    """How many elements; one result without operands."""
    return len(operands["a"]) if operands else 1


class Simulated:
    """The operations' module on a target's simulated CPU."""

    def __init__(self, target: str, operations: list[Operation]) -> None:
        self._cpu = sim.Cpu(target)
        sim.install(self._cpu)
        from insitu import port

        self._trap = port.errors.Trap
        self._numbers = {operation.name: number for number, operation in enumerate(operations)}
        self._cpu.map_flash(_FLASH, aot.compile_wasm(module(operations), target))
        self._cpu.map_ram(*_HEAP)
        self._instance = port.Runtime(_HEAP).load(_FLASH).instantiate(stack_size=4096)
        self._memory = self._instance.lookup("memory")

    def run(self, operation: Operation, operands: dict[str, Array]) -> Array:
        """The results' bits. Raises the runtime's Trap where an element traps."""
        count = _count(operands)
        parts = [
            self._some(operation, {name: values[at : at + COUNT] for name, values in operands.items()})
            for at in range(0, count, COUNT)
        ]
        return np.concatenate(parts)

    def traps(self, operation: Operation, value: Any) -> str:
        """What the trap of one element says; "" if it does not trap."""
        try:
            self._some(operation, {"a": np.array([value], WORD[operation.params[0]])})
        except self._trap as trap:
            return str(trap)
        return ""

    def _some(self, operation: Operation, operands: dict[str, Array]) -> Array:
        sim.install(self._cpu)
        for slot, name in enumerate(operands):
            self._memory.write(slot * SLOT, operands[name].tobytes())
        count = _count(operands)
        self._instance.lookup_function(str(self._numbers[operation.name]))(count)
        kind = WORD[operation.result]
        return np.frombuffer(bytes(self._memory.read(2 * SLOT, count * kind.itemsize)), kind)
