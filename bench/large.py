"""python -m bench.large [BYTES]: the compiler's own speed, with a large module of copies of the kernels.

Its functions are C's, and the same from run to run: the kernels in one module, whose functions, globals aside, stand in
it as often as is asked for. Each copy calls itself, and exports what the first does, under another name.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from insitu.board.boards import load_board
from insitu.commands.build import built
from insitu.errors import InsituError
from insitu.wasm.decode import decode
from insitu.wasm.module import Module
from insitu.wasm.write import sized, unsigned

from bench import bars, kernels

FOLDER = Path(__file__).parents[1] / "build" / "bench" / "large"
_CALL = 0x10
_FUNCTION, _EXPORT, _CODE = 3, 7, 10  # sections of the binary format, 5.5
_OPTIONS = ("-O2", "-target", "wasm32-freestanding", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all")


def _vector(items: list[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def all_kernels(folder: Path) -> bytes:
    """The kernels in one module; each exports run_ with its name."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for name in kernels.names():
        source = folder / f"{name}.c"
        export = f'__attribute__((export_name("run_{name}")))'
        included = kernels.SOURCES / f"{name}.c"
        # without __wasm__, their EXPORT gives no name
        source.write_text(f'#undef __wasm__\n#define run {export} run_{name}\n#include "{included}"\n')
        sources.append(str(source))
    made = folder / "kernels.wasm"
    command = [sys.executable, "-m", "ziglang", "cc", *_OPTIONS, f"-I{kernels.SOURCES}", *sources, "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InsituError(f"the kernels do not compile in one module:\n{done.stderr.strip()}")
    return made.read_bytes()


def _body(wasm: bytes, module: Module, index: int, distance: int) -> bytes:
    """The code of a function, whose calls go to functions distance further on."""
    function = module.functions[index]
    made, done = bytearray(), function.offset
    body = function.body
    for (opcode, callee, at), (_, _, following) in pairwise(body):
        if opcode == _CALL and callee >= module.imported_function_count:
            made += wasm[done : at + 1] + unsigned(callee + distance)
            done = following
    return bytes(made + wasm[done : body[-1][2] + 1])


def copies(wasm: bytes, count: int) -> bytes:
    """The module with its functions count times."""
    module = decode(wasm)
    functions, exports, code = [], [], []
    for copy in range(count):
        distance = copy * len(module.functions)
        functions += [unsigned(t) for t in module.function_types]
        for export in module.exports:
            name = f"{export.name}{copy or ''}".encode()
            if export.kind == "func":
                exports.append(sized(name) + b"\0" + unsigned(export.index + distance))
        code += [sized(_body(wasm, module, i, distance)) for i in range(len(module.functions))]
    replaced = {_FUNCTION: _vector(functions), _EXPORT: _vector(exports), _CODE: _vector(code)}
    made, at = bytearray(wasm[:8]), 8
    for _, start, size in module.sections:
        number = wasm[at]
        made += bytes([number]) + sized(replaced.get(number, wasm[start : start + size]))
        at = start + size
    return bytes(made)


def main() -> int:
    """The module of about so many bytes built, and built again, for a Cortex-M4F; 1 where a bar is missed."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1 << 20
    kernels_wasm = all_kernels(FOLDER)
    path = FOLDER / "large.wasm"
    path.write_bytes(copies(kernels_wasm, max(1, round(size / len(kernels_wasm)))))
    wall = []
    with tempfile.TemporaryDirectory() as cached:
        os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(Path.home() / ".cache" / "zig"))
        os.environ["XDG_CACHE_HOME"] = cached
        for what in ("built", "built again"):
            began, before = time.monotonic(), os.times()
            built(path, load_board("qemu_stm32f405"))
            after, took = os.times(), time.monotonic() - began
            seconds = sum(after[:4]) - sum(before[:4])
            print(f"{path.stat().st_size} bytes {what}: {took:.1f} s, of all cores {seconds:.1f} s")
            wall.append(took)
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    memory = (own + (os.cpu_count() or 1) * children) // 1024
    first, again = wall
    print(f"{first * (1 << 20) / path.stat().st_size:.1f} s a MiB, memory at most {memory} MiB")
    met = first * (1 << 20) <= bars.LARGE * path.stat().st_size
    return 0 if met and again <= bars.LARGE_AGAIN and memory <= bars.LARGE_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
