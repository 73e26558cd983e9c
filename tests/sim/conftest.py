"""Snippets of assembly, as bytes that run at FLASH."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from insitu import sim
from insitu.sim import Cpu
from insitu.sim import memory as sim_memory

FLASH = 0x08000000
RAM = 0x20000000

ZIG = {
    "cortex-m0plus": ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"],
    "cortex-m3": ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3"],
    "cortex-m4f": ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"],
    "cortex-m7": ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16"],
    "cortex-m33": ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m33+fp_armv8d16sp"],
    "rv32imc": ["-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c"],
}
_SCRIPT = (
    f"SECTIONS {{ . = {FLASH:#x}; .text : {{ *(.text*) *(.rodata*) }} /DISCARD/ : {{ *(.ARM.exidx*) *(.comment) }} }}"
)

Assemble = Callable[[str, str], bytes]


@pytest.fixture
def assemble(tmp_path: Path) -> Assemble:
    """assemble(target, source): machine code that begins with the first line of source."""

    def run(target: str, source: str) -> bytes:
        head = ".option norelax\n.text\n" if target == "rv32imc" else ".syntax unified\n.thumb\n.text\n"
        (tmp_path / "s.S").write_text(f"{head}.global _start\n_start:\n{source}\n")
        (tmp_path / "s.ld").write_text(_SCRIPT)
        zig = [sys.executable, "-m", "ziglang"]
        options = ["-nostdlib", f"-Wl,-T,{tmp_path}/s.ld", f"{tmp_path}/s.S", "-o", f"{tmp_path}/s.elf"]
        subprocess.run([*zig, "cc", *ZIG[target], *options], check=True)
        subprocess.run([*zig, "objcopy", "-O", "binary", f"{tmp_path}/s.elf", f"{tmp_path}/s.bin"], check=True)
        return (tmp_path / "s.bin").read_bytes()

    return run


@pytest.fixture
def machine() -> Iterator[Cpu]:
    """An installed Cortex-M4F with one page of RAM and of flash."""
    before = sim_memory.used()
    cpu = sim.install(Cpu("cortex-m4f"))
    cpu.map_flash(FLASH, bytes(range(256)))
    cpu.map_ram(RAM, 4096)
    yield cpu
    sim_memory.use(before)
