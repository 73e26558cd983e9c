"""An ordinary C program, built without a link option, in a global heap of 16 KiB: its memory is all far pages."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot

from tests.toolchains.table import FOLDER

HEAP, STACK = 16 * 1024, 4096


@pytest.fixture(scope="module")
def wasm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = tmp_path_factory.mktemp("program") / "strings.wasm"
    source = FOLDER / "sources" / "strings.c"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-Os", str(source), "-o", str(made)]
    subprocess.run(command, check=True)
    return made.read_bytes()


@pytest.fixture(scope="module")
def wanted(wasm: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What it prints on wasmtime."""
    printed = tmp_path_factory.mktemp("oracle") / "stdout"
    engine = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    config.stdout_file = str(printed)
    store.set_wasi(config)
    start: Any = linker.instantiate(store, wasmtime.Module(engine, wasm)).exports(store)["_start"]
    start(store)
    return Path(printed).read_bytes()


@pytest.mark.parametrize("target", ["cortex-m4f", "cortex-m0plus"])
def test_a_program_with_printf_and_malloc_runs_in_16_kib(wasm: bytes, wanted: bytes, target: str) -> None:
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port
    from insitu.port.host import wasi

    cpu.map_flash(0x10000000, aot.compile_wasm(wasm, target, window=0))
    runtime = port.Runtime(bytearray(HEAP))
    module, out = runtime.load(0x10000000), io.BytesIO()
    program = wasi.Wasi(args=["strings"], files={0: io.BytesIO(), 1: out, 2: out})
    instance = module.instantiate(stack_size=STACK, imports=program.imports(module))
    program.bind(instance)
    assert program.start() == 0
    assert out.getvalue() == wanted
    assert wanted.count(b"\n") == 21
    assert instance.memory.size > 65536 + runtime.heap.size
    assert runtime.heap.peak() < HEAP - 2048
