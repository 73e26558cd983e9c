"""A kernel compiled to WebAssembly and then by insitu, run by the runtime of port/ on the simulated CPU."""

from __future__ import annotations

from pathlib import Path

import wasmtime
from insitu import aot, sim
from insitu.aot import link
from insitu.aot.contract.elf import Object
from insitu.aot.efforts import SPEED
from insitu.aot.link import Code
from insitu.aot.plan import Plan
from insitu.aot.targets import Target
from insitu.toolchain import compile_c

from bench import cycles
from bench.native import FLASH

_HEAP = 0x20000


def compile_kernel(source: Path, folder: Path, target: Target, *, small: bool = False) -> bytes:
    """The kernel as WebAssembly, as `insitu build` makes it for a board of that target."""
    return compile_c(source, folder / f"{source.stem}.wasm", small=small, unroll=target.unroll).read_bytes()


def own_code_bytes(plan: Plan, optimise: str = SPEED) -> int:
    """Of a module that is compiled for them; see bytes_of."""
    objects = aot.object_files(plan, optimise)
    return bytes_of(objects, link.link(objects, plan))


def bytes_of(objects: list[bytes], code: Code) -> int:
    """Bytes of the module's functions and thunks and of their constants, the library and the stub apart."""
    constants = {section.name for data in objects for section in Object(data).sections if section.name != ".text"}
    return sum(
        piece.size
        for piece in code.pieces
        if link.is_program(piece.file) or (piece.file == link.MERGED and piece.section in constants)
    )


def run(image: bytes, target: Target, n: int) -> tuple[int, cycles.Executed]:
    """run(n): its result, unsigned, and what was executed, the way in and out included."""
    cpu = sim.install(sim.Cpu(target.name))
    from insitu import port

    cpu.map_flash(FLASH, image)
    runtime = port.Runtime(bytearray(_HEAP))
    instance = runtime.load(FLASH).instantiate(stack_size=4096)
    with cycles.counted(cpu) as executed:
        result = instance.exports.run(n)
    return result & 0xFFFFFFFF, executed


def oracle(wasm: bytes, n: int) -> int:
    """What wasmtime makes of run(n), unsigned."""
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), [])
    return int(instance.exports(store)["run"](store, n)) & 0xFFFFFFFF  # type: ignore[operator]
