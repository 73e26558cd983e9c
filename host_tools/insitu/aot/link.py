"""Object file to position-independent bytes: linked with helpers at two addresses, which must agree."""

from __future__ import annotations

import functools
import io
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ziglang
from elftools.elf.elffile import ELFFile

from insitu.aot import helpers, stubs
from insitu.errors import InsituError

if TYPE_CHECKING:
    from insitu.aot.targets import Target

_ZIG = Path(ziglang.__file__).with_name("zig")
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


def _zig(*arguments: str) -> str:
    """Run ziglang; what it says. Raises LinkError."""
    done = subprocess.run([str(_ZIG), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LinkError(f"ziglang {arguments[0]} failed:\n{done.stderr.strip()}")
    return done.stderr


def _options(target: Target) -> list[str]:
    return ["-target", target.zig_target, f"-mcpu={target.zig_cpu}"]


@functools.cache
def _stub(target: Target) -> bytes:
    """The object file of the target's assembly stub."""
    defines = [*stubs.defines(), *(f"-D{name}" for name in target.stub_defines)]
    return _compiled(target, [*defines, str(stubs.path(target.stub))])


@functools.cache
def _helpers(target: Target) -> bytes:
    """The object file of the helpers that stand in for wrong ones of compiler-rt."""
    return _compiled(target, [*helpers.OPTIONS, *map(str, helpers.paths())])


def _compiled(target: Target, arguments: list[str]) -> bytes:
    """One object file of all the sources; ziglang keeps it in its cache."""
    with tempfile.TemporaryDirectory(prefix="insitu-") as folder:
        made = Path(folder, "made.o")
        _zig("cc", "-c", *_options(target), *arguments, "-o", str(made))
        return made.read_bytes()


_ARCHIVE = "libcompiler_rt.a"


@functools.cache
def _library(target: Target) -> str:
    """Path of compiler-rt: ziglang builds it for the target the first time, and says with -v where it keeps it.

    -O2 copies and fills memory by words where -Os does it by bytes, for a few per cent of an image (docs/floats.md);
    -fPIC: without, its sqrt table is addressed absolutely; -g keeps symbols.
    """
    with tempfile.TemporaryDirectory(prefix="insitu-") as folder:
        stub = Path(folder, "stub.o")
        stub.write_bytes(_stub(target))
        flavour = ["-O2", "-g", "-fPIC", "-nostdlib", "-rtlib=compiler-rt", "-Wl,--entry=insitu_enter"]
        said = _zig("cc", *_options(target), *flavour, "-v", str(stub), "-o", str(Path(folder, "stub.elf")))
    found = archive(said)
    if not found:
        raise LinkError(f"ziglang does not say where compiler-rt is:\n{said.strip()}")
    return str(found)


def archive(said: str) -> Path | None:
    """Where compiler-rt is, from what ziglang says of a link; None if it does not.

    It quotes no spaces and shortens paths below the working directory, so a path is what exists: the shortest that
    follows a space and ends in the archive's name.
    """
    for line in reversed(said.splitlines()):
        head, found, _ = line.rpartition(_ARCHIVE)
        words = head.split(" ") if found else []
        for start in range(len(words) - 1, -1, -1):
            path = Path(" ".join(words[start:]) + _ARCHIVE)
            if path.is_file():
                return path.resolve()
    return None


def _link(target: Target, inputs: list[Path], base: int, folder: Path) -> bytes:
    script, made = folder / f"{base:x}.ld", folder / f"{base:x}.elf"
    script.write_text(_SCRIPT.format(base=base))
    _zig("ld.lld", "--gc-sections", "-T", str(script), *map(str, inputs), _library(target), "-o", str(made))
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
        stub = folder / "stub.o"
        stub.write_bytes(_stub(target))
        own = folder / "helpers.o"
        own.write_bytes(_helpers(target))
        inputs = [program, stub, own]
        first, second = (_read(_link(target, inputs, base, folder), target) for base in _ADDRESSES)
    if first.data != second.data:
        at = next(i for i, (a, b) in enumerate(zip(first.data, second.data, strict=True)) if a != b)
        raise LinkError(f"the code holds an absolute address at offset {at:#x}: it cannot run from any flash address")
    return first
