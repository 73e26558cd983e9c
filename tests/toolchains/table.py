"""The tool chains: what each compiles, and how. A row is a module."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
_ASC = ROOT / "build" / "toolchains" / "node_modules" / ".bin" / "asc"
_MARKS = ["-Wl,--export=__heap_base", "-Wl,--export=__data_end"]
_RUST_MARKS = ["-C", "link-arg=--export=__heap_base", "-C", "link-arg=--export=__data_end"]
_CLANG_BARE = ["--target=wasm32", "-nostdlib", "-Os", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=1024"]
_CLANG_LIBC = ["--target=wasm32-wasi", "-Os", "-Wl,-z,stack-size=8192"]
_EMCC = ["-Os", "-sSTANDALONE_WASM", "-sTOTAL_STACK=8192", "-sINITIAL_MEMORY=65536"]
_RUST = ["--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-C", "opt-level=s", "-C", "panic=abort"]
_RUST += ["-C", "link-arg=-zstack-size=4096", *_RUST_MARKS]
_ZIG = [sys.executable, "-m", "ziglang", "cc"]
_ZIG_BARE = ["-target", "wasm32-freestanding", "-nostdlib", "-Os", "-Wl,--no-entry", "-Wl,--strip-all"]
_ZIG_LIBC = ["-target", "wasm32-wasi", "-Os", "-Wl,-z,stack-size=16384"]


@cache
def _version(tool: str) -> str:
    """Empty where the tool can say its version; what it says instead otherwise."""
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["no reason given"])[-1] if done.returncode else ""


@dataclass(frozen=True, slots=True)
class Module:
    """Attributes: package has the tool; prints: by WASI, otherwise it exports run(n); libc: a heap is in use."""

    tool: str
    variant: str
    package: str
    source: str
    command: list[str]
    prints: bool

    @property
    def name(self) -> str:
        return f"{self.tool}-{self.variant}".replace(" ", "-")

    @property
    def missing(self) -> str:
        """Why it cannot be compiled here; empty where it can."""
        tool = self.command[0]
        if not shutil.which(tool):
            return f"{Path(tool).name} is not installed ({self.package})"
        said = _version(tool)
        return f"{Path(tool).name} does not run here: {said}" if said else ""

    def compile(self, folder: Path) -> bytes:
        """The module's bytes; raises RuntimeError with what the tool says."""
        made = folder / f"{self.name}.wasm"
        command = [*self.command, str(FOLDER / "sources" / self.source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stderr}")
        return made.read_bytes()


def _asc(*options: str) -> list[str]:
    return [str(_ASC), "--optimize", "--noAssert", "--use", "abort=", *options]


MODULES = (
    Module("wasi-sdk", "libc", "clang, wasi-libc", "heap.c", ["clang", *_CLANG_LIBC, *_MARKS], True),
    Module("wasi-sdk", "libc stripped", "clang, wasi-libc", "heap.c", ["clang", *_CLANG_LIBC, *_MARKS, "-s"], True),
    Module("wasi-sdk", "nostdlib", "clang", "bare.c", ["clang", *_CLANG_BARE, *_MARKS], False),
    Module("emsdk", "libc", "emscripten", "heap.c", ["emcc", *_EMCC, "--profiling-funcs"], True),
    Module("emsdk", "libc stripped", "emscripten", "heap.c", ["emcc", *_EMCC], True),
    Module("emsdk", "no libc used", "emscripten", "bare.c", ["emcc", *_EMCC, "--no-entry"], False),
    Module("rust", "std", "rustc", "heap.rs", ["/usr/bin/rustc", *_RUST], False),
    Module("rust", "std stripped", "rustc", "heap.rs", ["/usr/bin/rustc", *_RUST, "-C", "strip=symbols"], False),
    Module("rust", "no_std", "rustc", "bare.rs", ["/usr/bin/rustc", *_RUST, "-C", "strip=symbols"], False),
    Module("AssemblyScript", "incremental", "npm assemblyscript", "heap.ts", _asc("--exportRuntime"), False),
    Module("AssemblyScript", "stub stripped", "npm assemblyscript", "heap.ts", _asc("--runtime", "stub"), False),
    Module("AssemblyScript", "no heap", "npm assemblyscript", "bare.ts", _asc("--runtime", "stub"), False),
    Module("zig", "libc", "ziglang", "heap.c", [*_ZIG, *_ZIG_LIBC, *_MARKS, "-g"], True),
    Module("zig", "libc stripped", "ziglang", "heap.c", [*_ZIG, *_ZIG_LIBC, *_MARKS, "-s"], True),
    Module("zig", "nostdlib", "ziglang", "bare.c", [*_ZIG, *_ZIG_BARE, "-Wl,-z,stack-size=1024", *_MARKS], False),
)
