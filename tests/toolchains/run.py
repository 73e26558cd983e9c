"""A tool chain's module on wasmtime, and on the runtime with the simulated CPU."""

from __future__ import annotations

import io
from pathlib import Path

import insitu.sim
import wasmtime

from tests.toolchains.table import Module

FLASH = 0x08000000
N = 12


def oracle(module: Module, wasm: bytes, output: Path) -> str:
    """What wasmtime prints or gives."""
    engine = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    config.argv = ["app"]
    config.stdout_file = str(output)
    store.set_wasi(config)
    exports = linker.instantiate(store, wasmtime.Module(engine, wasm)).exports(store)
    if not module.prints:
        return str(exports["run"](store, N))  # type: ignore[operator]
    try:
        exports["_start"](store)  # type: ignore[operator]
    except wasmtime.ExitTrap as end:
        assert end.code == 0
    return output.read_text()


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
