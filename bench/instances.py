"""What a call of another instance's function costs beside one inside the module, in executed instructions."""

from __future__ import annotations

from dataclasses import dataclass

import wasmtime
from insitu import aot, sim

_FLASH, _ROOM = 0x08000000, 0x10000
_FEW, _MANY = 100, 1100
# It may call itself: so it is called, and not written out where it is.
_FUNCTION = """(func $f (export "f") (param i32 i32) (result i32)
  (if (i32.eq (local.get 0) (i32.const 0x7fffffff))
    (then (return (i32.sub (local.get 1) (call $f (local.get 1) (i32.const 7))))))
  (i32.add (local.get 0) (local.get 1)))"""
_LOOP = """(func (export "run") (param $n i32) (result i32) (local $sum i32)
  (loop $next
    (local.set $sum (call $f (local.get $sum) (local.get $n)))
    (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))"""
_IMPORT = '(import "other" "f" (func $f (param i32 i32) (result i32)))'


@dataclass(frozen=True, slots=True)
class InstanceCalls:
    """Executed instructions of a round of a loop that calls a small function, inside of its module and another's."""

    target: str
    inside: float
    between: float


def _measure(target: str) -> InstanceCalls:
    cpu = sim.install(sim.Cpu(target))
    from insitu import port

    runtime = port.Runtime(bytearray(_ROOM))

    def load(at: int, text: str) -> port.Module:
        cpu.map_flash(at, aot.compile_wasm(bytes(wasmtime.wat2wasm(f"(module {text})")), target))
        return runtime.load(at)

    def round_of(instance: port.Instance) -> float:
        counts = []
        for rounds in (_FEW, _MANY):
            with cpu.counting() as counter:
                instance.exports.run(rounds)
            counts.append(counter.instructions)
        return (counts[1] - counts[0]) / (_MANY - _FEW)

    inside = load(_FLASH, _FUNCTION + _LOOP).instantiate(stack_size=1024)
    between = load(_FLASH + _ROOM, _IMPORT + _LOOP).instantiate(stack_size=1024, imports={"other": inside})
    return InstanceCalls(target, round_of(inside), round_of(between))


def measure() -> list[InstanceCalls]:
    """On every target."""
    return [_measure(target) for target in sim.CPUS]
