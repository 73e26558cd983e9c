"""What the stubs do to the CPU's state."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from unicorn import arm_const, unicorn_const

FLASH, BEFORE = 0x08000000, 0x09000000
_USE_THE_FPU_AND_GO_ON = bytes.fromhex("00ee100a 6047")  # vmov s0, r0; bx r12
_SPSEL, _FPCA = 2, 4
TEXT = """(module (import "e" "f" (func $f (result f32)))
  (func (export "run") (param f32) (result f32) (f32.add (call $f) (local.get 0))))"""


@pytest.mark.parametrize(
    ("target", "there"), [("cortex-m0plus", _SPSEL), ("cortex-m3", _SPSEL), ("cortex-m4f", _SPSEL | _FPCA)]
)
def test_exception_frames_have_the_size_that_the_stack_guard_counts(
    target: str, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for FPU state where the code does not use the FPU, though Python does."""
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
    from insitu import port

    cpu.map_flash(FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), target))
    cpu.map_flash(BEFORE, _USE_THE_FPU_AND_GO_ON)
    imports = {"e": {"f": lambda: 1.5}}
    instance = port.Runtime(bytearray(50_000)).load(FLASH).instantiate(stack_size=4096, imports=imports)
    seen = set()

    def on_block(uc: Any, address: int, size: int, data: Any) -> None:
        control = int(uc.reg_read(arm_const.UC_ARM_REG_CONTROL))
        if control & _SPSEL:
            seen.add(control)

    cpu.uc.hook_add(unicorn_const.UC_HOOK_BLOCK, on_block)
    call = cpu.call

    def through(address: int, *arguments: int) -> int:
        cpu.uc.reg_write(arm_const.UC_ARM_REG_R12, address | 1)
        return call(BEFORE, *arguments)

    monkeypatch.setattr(cpu, "call", through)
    assert instance.exports.run(2.25) == 3.75
    assert seen == {there}
