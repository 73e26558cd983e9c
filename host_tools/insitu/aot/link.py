"""Object file to position-independent bytes: linked with helpers at two addresses, which must agree."""

from __future__ import annotations

import functools
import io
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ziglang
from elftools.elf.elffile import ELFFile

from insitu.aot import helpers, stubs, window
from insitu.errors import InsituError

if TYPE_CHECKING:
    from elftools.elf.sections import Section

    from insitu.aot.plan import Plan
    from insitu.aot.targets import Target

_ZIG = Path(ziglang.__file__).with_name("zig")
# Two addresses that differ in every byte that an absolute address could hide in.
_ADDRESSES = (0x08000000, 0x31234560)
# Debug information stays in the linked file, the program's, for explain/.
_SCRIPT = """
ENTRY(insitu_enter)
EXTERN({roots})
SECTIONS {{
  . = {base:#x};
  .insitu : ALIGN(8) {{
    KEEP(*(.text.insitu_stub))
    *(.text .text.*)
    *(.rodata .rodata.* .srodata .srodata.*)
    *(.data .data.* .sdata .sdata.* .bss .bss.* .sbss .sbss.* .got .got.*)
  }} =0
  /DISCARD/ : {{
    *(.ARM.exidx* .ARM.extab* .comment .eh_frame* .ARM.attributes .riscv.attributes .debug_frame)
    *(EXCLUDE_FILE(*/{program}*.o) .debug*)
  }}
}}
"""


class LinkError(InsituError):
    """The linker refused, or what it made is not position independent: a bug of insitu, not the user's."""


# Names of inputs in Piece.file; one of the library is its path, a member's name in parentheses behind it.
_PROGRAM = "module"  # and a number
STUB, HELPERS, FAR, POLL, FRAMES = "stub.o", "helpers.o", "far.o", "poll.o", "frames.o"
MERGED = "<internal>"  # lld's name for constants that it keeps once for all inputs


def program(objects: list[bytes]) -> dict[str, bytes]:
    """The module's own object files, by the names that they are linked by."""
    return {f"{_PROGRAM}{i}.o": data for i, data in enumerate(objects)}


def is_program(file: str) -> bool:
    """Whether Piece.file is one of the module's own."""
    return file.startswith(_PROGRAM)


@dataclass(frozen=True, slots=True)
class Piece:
    """A section of an input, where the linker laid it."""

    offset: int
    size: int
    file: str
    section: str


@dataclass(frozen=True, slots=True)
class Code:
    """Linked machine code.

    Attributes:
        data: the bytes, code first, then its constants.
        elf: the linked file that they are of, with DWARF where the program's plan is located; base: their address.
        symbols: name to offset, Thumb bit taken off.
        pieces: the sections of the inputs in it, in order of offset, as the linker says; contract/ proves it.
    """

    data: bytes
    symbols: dict[str, int]
    pieces: tuple[Piece, ...]
    elf: bytes
    base: int


def _zig(*arguments: str) -> str:
    """Run ziglang; what it says. Raises LinkError."""
    done = subprocess.run([str(_ZIG), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LinkError(f"ziglang {arguments[0]} failed:\n{done.stderr.strip()}")
    return done.stderr


def _options(target: Target) -> list[str]:
    return ["-target", target.zig_target, f"-mcpu={target.zig_cpu}"]


@functools.cache
def stub(target: Target) -> bytes:
    """The object file of the target's assembly stub."""
    defines = [*stubs.defines(), *(f"-D{name}" for name in target.stub_defines)]
    return _compiled(target, [*defines, str(stubs.path(target.stub))])


@functools.cache
def _far(target: Target, far: window.Far) -> bytes:
    """The object file of the target's routine for accesses outside of a memory's window."""
    defines = stubs.far_defines(window.OFFSETS, far.page) + [f"-D{name}" for name in target.stub_defines]
    defines += ["-DUNALIGNED"] if target.unaligned else []
    defines += ["-DINSTANCE_REGISTER"] if target.instance_register else []
    defines += ["-DENDS_INSIDE"] if far.ends_inside else []
    return _compiled(target, [*defines, str(stubs.path(f"far_{target.stub}"))])


@functools.cache
def _poll(target: Target) -> bytes:
    """The object file of the target's routine that polls."""
    defines = [*stubs.poll_defines(), *(f"-D{name}" for name in target.stub_defines)]
    return _compiled(target, [*defines, str(stubs.path(f"poll_{target.stub}"))])


@functools.cache
def _frames(target: Target) -> bytes:
    """The object file of the target's routines that save and restore registers."""
    return _compiled(target, [str(stubs.path(target.frames))])


@functools.cache
def _helpers(target: Target) -> bytes:
    """The object file of the helpers that stand in for wrong or slow ones of compiler-rt."""
    return _compiled(target, [*helpers.OPTIONS, *map(str, helpers.paths())])


def _compiled(target: Target, arguments: list[str]) -> bytes:
    """One object file of all the sources; ziglang keeps it in its cache."""
    with tempfile.TemporaryDirectory(prefix="insitu-") as folder:
        made = Path(folder, "made.o")
        _zig("cc", "-c", *_options(target), *arguments, "-o", str(made))
        return made.read_bytes()


_ARCHIVE = "libcompiler_rt.a"


@functools.cache
def library(target: Target) -> str:
    """Path of compiler-rt: ziglang builds it for the target the first time, and says with -v where it keeps it.

    -O2 copies and fills memory by words where -Os does it by bytes, for a few per cent of an image (docs/floats.md);
    -fPIC: without, its sqrt table is addressed absolutely; -g keeps symbols.
    """
    with tempfile.TemporaryDirectory(prefix="insitu-") as folder:
        source = Path(folder, STUB)
        source.write_bytes(stub(target))
        flavour = ["-O2", "-g", "-fPIC", "-nostdlib", "-rtlib=compiler-rt", "-Wl,--entry=insitu_enter"]
        said = _zig("cc", *_options(target), *flavour, "-v", str(source), "-o", str(Path(folder, "stub.elf")))
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


def own_objects(target: Target, *, far: window.Far | None = None, polls: bool = False) -> dict[str, bytes]:
    """What a module is linked with beside the library: file name to object file.

    far, polls: see Plan.far, Plan.interruptible.
    """
    first = ({FAR: _far(target, far)} if far else {}) | ({POLL: _poll(target)} if polls else {})
    frames = {FRAMES: _frames(target)} if target.frames else {}
    return first | {STUB: stub(target), HELPERS: _helpers(target)} | frames


def _link(target: Target, inputs: list[str], roots: str, base: int, folder: Path) -> tuple[bytes, str]:
    """The linked file, and the linker's map of it. roots: what is kept though nothing refers to it."""
    script, made, where = folder / f"{base:x}.ld", folder / f"{base:x}.elf", folder / f"{base:x}.map"
    script.write_text(_SCRIPT.format(base=base, roots=roots, program=_PROGRAM))
    files = [*(str(folder / file) for file in inputs), library(target)]
    first_wins = ["-z", "muldefs"] if {FAR, POLL} & set(inputs) else []
    _zig("ld.lld", "--gc-sections", *first_wins, "-T", str(script), *files, "-o", str(made), f"-Map={where}")
    return made.read_bytes(), where.read_text()


def _pieces(linker_map: str, base: int, folder: Path) -> tuple[Piece, ...]:
    """Rows of the map that are sections of an input: address, load address, size, alignment, file:(section)."""
    found = []
    for line in linker_map.splitlines()[1:]:
        address, _, size, _, what = line.split(None, 4)
        file, separator, section = what.strip().partition(":(")
        if separator and int(address, 16) >= base and int(size, 16):
            name = file.removeprefix(f"{folder}/")
            found.append(Piece(int(address, 16) - base, int(size, 16), name, section.removesuffix(")")))
    return tuple(found)


def _code(elf: bytes) -> Section:
    return ELFFile(io.BytesIO(elf)).get_section_by_name(".insitu")


def _read(elf: bytes, pieces: tuple[Piece, ...], target: Target) -> Code:
    file, section = ELFFile(io.BytesIO(elf)), _code(elf)
    base, data = section["sh_addr"], section.data()
    symbols = {}
    for symbol in file.get_section_by_name(".symtab").iter_symbols():
        if not symbol.name or symbol["st_shndx"] in ("SHN_UNDEF", "SHN_ABS"):
            continue
        offset = symbol["st_value"] - base
        symbols[symbol.name] = offset & ~target.code_bit if symbol["st_info"]["type"] == "STT_FUNC" else offset
    return Code(data, symbols, pieces, elf, base)


def link(objects: list[bytes], plan: Plan) -> Code:
    """Link with the stub and the helpers it needs; raises LinkError if the code is tied to an address.

    Routines come first, so that they are taken and not the stand-ins that the module has of them (stand_ins.py).
    """
    target = plan.target
    entered = [f"f{i}" for i in sorted(plan.exposed)]
    roots = " ".join(["insitu_enter", *entered, *(f"t{i}" for i in plan.thunk_types)])
    with tempfile.TemporaryDirectory(prefix="insitu-") as name:
        folder = Path(name)
        own = own_objects(target, far=plan.far, polls=plan.interruptible)
        routines = {FAR, POLL} & set(own)
        inputs = own | program(objects) if routines else program(objects) | own
        for file, data in inputs.items():
            (folder / file).write_bytes(data)
        library(target)  # the first time it is built, and not by both links at the same time
        with ThreadPoolExecutor() as pool:
            linked = pool.map(lambda base: _link(target, list(inputs), roots, base, folder), _ADDRESSES)
            (elf, linker_map), (elsewhere, _) = linked
        first = _read(elf, _pieces(linker_map, _ADDRESSES[0], folder), target)
    second = _code(elsewhere).data()
    if first.data != second:
        at = next(i for i, (a, b) in enumerate(zip(first.data, second, strict=True)) if a != b)
        raise LinkError(f"the code holds an absolute address at offset {at:#x}: it cannot run from any flash address")
    return first
