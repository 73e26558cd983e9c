"""Object file to position-independent bytes: linked against compiler-rt at two addresses, which must agree."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile

from insitu.aot import stubs
from insitu.errors import InsituError

if TYPE_CHECKING:
    from insitu.aot.targets import Target

# Two addresses that differ in every byte that an absolute address could hide in.
_ADDRESSES = (0x08000000, 0x31234560)
_SCRIPT = """
ENTRY(insitu_enter)
SECTIONS {{
  . = {base:#x};
  .insitu : ALIGN(8) {{
    KEEP(*(.text.insitu_stub .text .text.unlikely.* .text.hot.*))
    *(.text.*)
    *(.rodata .rodata.* .srodata .srodata.*)
    *(.data .data.* .sdata .sdata.* .bss .bss.* .sbss .sbss.* .got .got.*)
  }}
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .eh_frame* .ARM.attributes .riscv.attributes .debug*) }}
}}
"""


class LinkError(InsituError):
    """The linker refused, or what it made is not position independent: a bug of insitu, not the user's."""


@dataclass(frozen=True, slots=True)
class Code:
    """Linked machine code.

    Attributes:
        data: the bytes, code first, then its constants.
        text_size: how many of them are code and constants of the program and of library helpers.
        symbols: name to offset, Thumb bit taken off.
        functions: (offset, size, name) of everything that is a function, in order of offset.
    """

    data: bytes
    symbols: dict[str, int]
    functions: list[tuple[int, int, str]]


def _run(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "ziglang", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LinkError(f"ziglang {arguments[0]} failed:\n{done.stderr.strip()}")


def _zig_options(target: Target) -> list[str]:
    return ["-target", target.zig_target, f"-mcpu={target.zig_cpu}"]


def _assemble(target: Target, folder: Path) -> Path:
    made = folder / "stub.o"
    defines = [*stubs.defines(), *(f"-D{name}" for name in target.stub_defines)]
    _run(["cc", "-c", *_zig_options(target), *defines, str(stubs.path(target.stub)), "-o", str(made)])
    return made


def _link(target: Target, inputs: list[Path], base: int, folder: Path) -> bytes:
    script, made = folder / f"{base:x}.ld", folder / f"{base:x}.elf"
    script.write_text(_SCRIPT.format(base=base))
    options = [
        "-Os",
        "-g",
        "-fPIC",
        "-nostdlib",
        "-rtlib=compiler-rt",
        f"-Wl,-T,{script}",
        "-Wl,--gc-sections",
    ]
    _run(["cc", *_zig_options(target), *options, *map(str, inputs), "-o", str(made)])
    return made.read_bytes()


def _read(elf: bytes, target: Target) -> Code:
    file = ELFFile(io.BytesIO(elf))
    section = file.get_section_by_name(".insitu")
    base, data = section["sh_addr"], section.data()
    symbols, functions = {}, []
    for symbol in file.get_section_by_name(".symtab").iter_symbols():
        if not symbol.name or symbol["st_shndx"] in ("SHN_UNDEF", "SHN_ABS"):
            continue
        function = symbol["st_info"]["type"] == "STT_FUNC"
        offset = symbol["st_value"] - base
        if function:
            offset &= ~target.code_bit
            functions.append((offset, symbol["st_size"], symbol.name))
        symbols[symbol.name] = offset
    return Code(data, symbols, sorted(functions))


def link(object_file: bytes, target: Target) -> Code:
    """Link with the stub and the helpers it needs; raises LinkError if the code is tied to an address."""
    with tempfile.TemporaryDirectory(prefix="insitu-") as name:
        folder = Path(name)
        program = folder / "module.o"
        program.write_bytes(object_file)
        inputs = [program, _assemble(target, folder)]
        first, second = (_read(_link(target, inputs, base, folder), target) for base in _ADDRESSES)
    if first.data != second.data:
        at = next(i for i, (a, b) in enumerate(zip(first.data, second.data, strict=True)) if a != b)
        raise LinkError(f"the code holds an absolute address at offset {at:#x}: it cannot run from any flash address")
    return first
