"""Which device runs what is made for which target."""

from __future__ import annotations

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.aot.targets import TARGETS
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash.write import check_fits
from insitu.sim import CPUS

FLASH = 0x10000000
TEXT = """(module (memory 1)
  (func (export "run") (param i32 f32) (result f32)
    (i32.store (i32.const 8) (i32.rotl (local.get 0) (i32.popcnt (i32.clz (local.get 0)))))
    (f32.add (f32.nearest (local.get 1)) (f32.convert_i32_u (i32.load16_u (i32.const 8))))))"""
CORTEX_M = ("cortex-m0plus", "cortex-m3", "cortex-m4f")  # each runs what is for those before it
ABOVE = ("cortex-m7", "cortex-m33")  # and these run what is for all of them
NOT_SIMULATED = ("hazard3",)  # Unicorn 2.1.4 has no Zba, Zbb, Zbs


def image(target: str) -> bytes:
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), target)


def test_what_is_simulated() -> None:
    assert set(CPUS) | set(NOT_SIMULATED) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cpu", CPUS)
def test_a_device_runs_or_refuses(cpu: str, target: str) -> None:
    insitu.sim.install(insitu.sim.Cpu(cpu)).map_flash(FLASH, image(target))
    from insitu import port

    runtime = port.Runtime(bytearray(100_000))
    if target == cpu or (target in CORTEX_M and cpu in (*CORTEX_M[CORTEX_M.index(target) :], *ABOVE)):
        assert runtime.load(FLASH).instantiate(stack_size=2048).exports.run(0x1234, 2.5) == 2 + (0x1234 << 3)
        return
    with pytest.raises(port.LoadError, match="build it (with -b )?for this board"):
        runtime.load(FLASH)


@pytest.mark.parametrize(
    ("cpu", "target", "missing"),
    [
        ("cortex-m4f", "cortex-m33", "ARMv8-M"),
        ("cortex-m33", "cortex-m7", "a double-precision FPU"),
        ("rv32imc", "hazard3", "Zba, Zbb, Zbs and Zbkb"),
    ],
)
def test_what_is_missing_is_named(cpu: str, target: str, missing: str) -> None:
    insitu.sim.install(insitu.sim.Cpu(cpu)).map_flash(FLASH, image(target))
    from insitu import port

    with pytest.raises(port.LoadError, match=f"needs {missing}, which this simulated {cpu} has not"):
        port.Runtime(bytearray(100_000)).load(FLASH)


@pytest.mark.parametrize(("board", "target"), [("qemu_stm32f405", "cortex-m33"), ("qemu_rv32", "hazard3")])
def test_the_host_refuses_it_too(board: str, target: str) -> None:
    with pytest.raises(InsituError, match=f"the image is for {target}, {board} is .*: build it with -b {board}"):
        check_fits(image(target), load_board(board))
