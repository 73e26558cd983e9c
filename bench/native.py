"""A kernel compiled to the target itself, -O2: what insitu's code is measured against.

By two compilers, each with its own runtime library built for speed: the clang that makes the WebAssembly, with
compiler-rt, and GCC with newlib (Arm) or picolibc (RISC-V) and libgcc.
"""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from insitu.aot.targets import Target
from insitu.errors import InsituError
from insitu.sim import Cpu

from bench import cycles

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
# -O2: what insitu's own code goes through. On Cortex-M4F GCC's -O3 takes 0.91 of its instructions and 1.7 times the
# bytes, with which the better of both would take 0.97; clang's is no faster. Without -ffreestanding neither is.
# -ffp-contract=off: WebAssembly cannot fuse a multiplication with an addition, so neither may the yardstick.
_OPTIONS = [
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-ffp-contract=off",
    "-ffreestanding",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    "-g0",
]
_LINK = ["-O2", "-nostartfiles", "-Wl,--gc-sections", "-Wl,-e,run"]


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command, what tells it the CPU, and the libraries that the kernels' memcpy and arithmetic come from."""

    command: tuple[str, ...]
    libraries: tuple[str, ...]


def _clang(target: Target) -> Compiler:
    relaxed = "+relax" if target.zig_target.startswith("riscv") else ""  # clang's default, and insitu's; not zig's
    cpu = f"-mcpu={target.zig_cpu}{relaxed}"
    command = (sys.executable, "-m", "ziglang", "cc", "-target", target.zig_target, cpu)
    return Compiler(command, ("-g", "-nostdlib", "-rtlib=compiler-rt"))  # -g: the sections keep their names


# The CPU of each target, as GCC 12 has it.
_GCC = {
    "cortex-m0plus": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m0plus"),
    "cortex-m3": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m3"),
    "cortex-m4f": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex-m7": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "cortex-m33": ("arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "rv32imc": (
        "riscv64-unknown-elf-gcc",
        "-march=rv32imc",
        "-mabi=ilp32",
        "-mno-strict-align",
        "--specs=picolibc.specs",
    ),
}


def _gcc(target: Target) -> Compiler:
    return Compiler(_GCC[target.name], ("-lc", "-lgcc"))


COMPILERS = {"clang": _clang, "gcc": _gcc}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InsituError(f"{' '.join(command[:4])} failed:\n{done.stderr.strip()}")


def compile_kernel(
    source: Path, target: Target, folder: Path, compiler: str, level: str = "-O2"
) -> tuple[bytes, bytes]:
    """The kernel's object file, and it linked with the compiler's library at FLASH and RAM.

    compiler: a name of COMPILERS; level: what it is to optimise for, -O2 or -Os.
    """
    with_cpu = COMPILERS[compiler](target)
    stem = folder / f"{source.stem}-{target.name}-{compiler}"
    _run([*with_cpu.command, level, *_OPTIONS, "-c", str(source), "-o", f"{stem}.o"])
    script = Path(f"{stem}.ld")  # of its own: kernels are compiled side by side
    script.write_text(_SCRIPT)
    _run([*with_cpu.command, *_LINK, f"-Wl,-T,{script}", f"{stem}.o", *with_cpu.libraries, "-o", f"{stem}.elf"])
    return Path(f"{stem}.o").read_bytes(), Path(f"{stem}.elf").read_bytes()


def _function_sizes(elf: bytes) -> dict[str, int]:
    symbols = ELFFile(io.BytesIO(elf)).get_section_by_name(".symtab").iter_symbols()
    return {symbol.name: symbol["st_size"] for symbol in symbols if symbol["st_info"]["type"] == "STT_FUNC"}


def code_bytes(object_file: bytes, linked: bytes) -> int:
    """Instructions, their literals and their jump tables: what is executable, and the .rodata of functions.

    As they are linked: the linker makes calls of RISC-V shorter.
    """
    sizes, left = _function_sizes(object_file), _function_sizes(linked)
    total, names = sum(left.get(name, size) - size for name, size in sizes.items()), set()
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


def run(elf: bytes, target: Target, n: int) -> tuple[int, cycles.Executed]:
    """run(n): its result, unsigned, and what was executed."""
    cpu = Cpu(target.name)
    entry = load(elf, cpu)
    with cycles.counted(cpu) as executed:
        result = cpu.call(entry, n)
    return result, executed
