"""A tool chain's module on wasmtime, and on the runtime with the simulated CPU."""

from __future__ import annotations

import io
from pathlib import Path

import insitu.sim
import wasmtime

from examples.demo import program_output
from tests.toolchains.table import Module

FLASH = 0x08000000
N = 12


def oracle(module: Module, wasm: bytes, output: Path) -> str:
    """What wasmtime prints or gives."""
    if module.prints:
        return program_output(wasm, output)
    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    return str(exports["run"](store, N))  # type: ignore[operator]


def printed(module: Module, image: bytes, target: str, heap: int = 2_500_000, stack: int = 8192) -> str:
    """What the runtime prints or gives, with so many bytes of global heap and operand stack."""
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port
    from insitu.port.host import wasi

    cpu.map_flash(FLASH, image)
    console = io.BytesIO()
    program = wasi.Wasi(("app",), files={1: console, 2: console})
    loaded = port.Runtime(bytearray(heap)).load(FLASH)
    instance = loaded.instantiate(stack_size=stack, imports=program.imports(loaded))
    program.bind(instance)
    if not module.prints:
        return str(instance.exports.run(N))
    assert program.start() == 0
    return console.getvalue().decode()
