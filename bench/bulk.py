"""memory.copy and memory.fill of a large block, in executed instructions a byte."""

from __future__ import annotations

from dataclasses import dataclass

import wasmtime
from insitu import aot, sim

_FLASH = 0x08000000
_SIZE = 4096
_MODULE = """(module (memory 1)
  (func (export "nothing") (param i32 i32 i32))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2))))"""


@dataclass(frozen=True, slots=True)
class Bulk:
    """Executed instructions a byte; copy_onto_itself: to a higher address, so from the end."""

    target: str
    copy: float
    copy_misaligned: float
    copy_onto_itself: float
    fill: float


def _measure(target: str) -> Bulk:
    cpu = sim.install(sim.Cpu(target))
    from insitu import port

    cpu.map_flash(_FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(_MODULE)), target))
    exports = port.Runtime(bytearray(0x18000)).load(_FLASH).instantiate(stack_size=1024).exports

    def count(name: str, *arguments: int) -> int:
        with cpu.counting() as counter:
            getattr(exports, name)(*arguments)
        return counter.instructions

    def a_byte(name: str, to: int, other: int) -> float:
        return (count(name, to, other, _SIZE) - count("nothing", 0, 0, 0)) / _SIZE

    return Bulk(
        target,
        copy=a_byte("copy", 8192, 64),
        copy_misaligned=a_byte("copy", 8192, 65),
        copy_onto_itself=a_byte("copy", 96, 64),
        fill=a_byte("fill", 65, 7),
    )


def measure() -> list[Bulk]:
    """On every target."""
    return [_measure(target) for target in sim.CPUS]
