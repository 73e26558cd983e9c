"""A kernel compiled by the same clang to the target itself, -O2: what insitu's code is measured against."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from insitu.aot.targets import Target
from insitu.errors import InsituError
from insitu.sim import Cpu

FLASH, RAM, RAM_SIZE = 0x08000000, 0x20000000, 0x10000
_SCRIPT = f"""

SECTIONS {{
  . = {FLASH:#x};
  .text : {{ KEEP(*(.text.run)) *(.text*) *(.rodata* .srodata*) }}
  . = {RAM:#x};
  .data : {{ *(.data* .sdata*) *(.bss* .sbss* COMMON) }}
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .eh_frame*) }}
}}
"""
# -ffp-contract=off: WebAssembly cannot fuse a multiplication with an addition, so neither may the yardstick.
_OPTIONS = [
    "-O2",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-ffp-contract=off",
    "-ffreestanding",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-g0",
]


def _zig(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ziglang", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InsituError(f"ziglang {arguments[0]} failed:\n{done.stderr.strip()}")


def compile_kernel(source: Path, target: Target, folder: Path) -> tuple[bytes, bytes]:
    """The kernel's object file, and it linked with compiler-rt at FLASH and RAM."""
    stem = folder / f"{source.stem}-{target.name}"
    cpu = ["-target", target.zig_target, f"-mcpu={target.zig_cpu}"]
    _zig("cc", *cpu, *_OPTIONS, "-c", str(source), "-o", f"{stem}.o")
    script = Path(f"{stem}.ld")  # of its own: kernels are compiled side by side
    script.write_text(_SCRIPT)
    link = ["-Os", "-g", "-nostdlib", "-rtlib=compiler-rt", f"-Wl,-T,{script}", "-Wl,--gc-sections", "-Wl,-e,run"]
    _zig("cc", *cpu, *link, f"{stem}.o", "-o", f"{stem}.elf")
    return Path(f"{stem}.o").read_bytes(), Path(f"{stem}.elf").read_bytes()


def code_bytes(object_file: bytes) -> int:
    """Instructions, their literals and their jump tables: what is executable, and the .rodata of functions."""
    total, names = 0, set()
    sections = list(ELFFile(io.BytesIO(object_file)).iter_sections())
    for section in sections:
        if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
            total += section["sh_size"]
            names.add(section.name.removeprefix(".text"))
    for section in sections:
        of = section.name.removeprefix(".rodata")
        if of != section.name and (of in names or of.startswith(".cst")):
            total += section["sh_size"]
    return total


def load(elf: bytes, cpu: Cpu) -> int:
    """Put the program into the CPU's memory; the address of run()."""
    file = ELFFile(io.BytesIO(elf))
    cpu.map_ram(RAM, RAM_SIZE)
    for section in file.iter_sections("SHT_PROGBITS"):
        if not section["sh_flags"] & SH_FLAGS.SHF_ALLOC:
            continue
        if section["sh_addr"] < RAM:
            cpu.map_flash(section["sh_addr"], section.data())
        else:
            cpu.view(section["sh_addr"], section["sh_size"])[:] = section.data()
    return int(file.header["e_entry"])


def run(elf: bytes, target: Target, n: int) -> tuple[int, int]:
    """run(n): its result, unsigned, and the instructions executed."""
    cpu = Cpu(target.name)
    entry = load(elf, cpu)
    with cpu.counting() as counter:
        result = cpu.call(entry, n)
    return result, counter.instructions
