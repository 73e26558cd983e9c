"""Programs of ordinary tool chains with nothing of their memory in RAM but what they wrote, in small global heaps."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu import aot
from insitu.board import boards

from examples import demo
from tests.boards.device import slow
from tests.toolchains.run import oracle, printed
from tests.toolchains.table import MODULES

LIBC = ("wasi-sdk-libc", "emsdk-libc-stripped", "rust-std-stripped", "AssemblyScript-incremental", "zig-libc")


@pytest.mark.qemu
@pytest.mark.parametrize("name", [pytest.param(name, marks=slow(name)) for name in ("qemu_stm32f405", "rpi_pico")])
def test_printf_and_malloc_without_a_linker_s_option_in_16_kib(name: str, tmp_path: Path) -> None:
    """Operand stack and all; 16 MiB of stack come first in its linear memory. It compares with wasmtime."""
    shown = demo.run_window(boards.load_board(name), tmp_path)
    assert (demo.WINDOW_HEAP, "global heap of 16384 bytes" in shown) == (16 * 1024, True)
    assert "21 lines as under wasmtime" in shown
    assert "far pages" in (tmp_path / "memory-window.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBC)
def test_a_libc_in_24_kib(name: str, tmp_path: Path) -> None:
    """8 KiB of them operand stack; each has 64 KiB of linear memory or more."""
    module = next(module for module in MODULES if module.name == name)
    if module.missing:
        pytest.skip(module.missing)
    wasm = module.compile(tmp_path)
    image = aot.compile_wasm(wasm, "cortex-m4f", aot.Options(window=0))
    assert printed(module, image, "cortex-m4f", heap=24 * 1024) == oracle(module, wasm, tmp_path / "stdout")
