"""Each module does on every target what it does under wasmtime; one of each tool chain on a board."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
from insitu import aot
from insitu.board import boards
from insitu.commands.inspect import image_facts
from insitu.image.parts import parts
from insitu.image.read import read
from insitu.report.code import code_parts
from insitu.session.session import Session

from tests.toolchains.run import FLASH, N, oracle, printed
from tests.toolchains.table import MODULES, Module

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
ON_A_BOARD = ("wasi-sdk-libc", "emsdk-libc-stripped", "rust-std-stripped", "AssemblyScript-incremental", "zig-libc")


@cache
def _compiled(name: str, folder: Path) -> bytes:
    return next(module for module in MODULES if module.name == name).compile(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toolchains")


def _wasm(module: Module, folder: Path) -> bytes:
    if module.missing:
        pytest.skip(module.missing)
    return _compiled(module.name, folder)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_same_as_wasmtime(module: Module, target: str, folder: Path, tmp_path: Path) -> None:
    wasm = _wasm(module, folder)
    wanted = oracle(module, wasm, tmp_path / "stdout")
    assert wanted
    made = aot.compile_module(wasm, target)
    assert printed(module, made.image, target) == wanted
    found = parts(read(made.image), code_parts(made))
    assert sum(part.size for part in found) == len(made.image)
    assert "not known" not in {part.name for part in found}


@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("name", ON_A_BOARD)
def test_on_a_board(name: str, folder: Path, tmp_path: Path) -> None:
    module = next(module for module in MODULES if module.name == name)
    wasm = _wasm(module, folder)
    board = boards.load_board("qemu_mps2_an386")
    with Session(board, aot.compile_wasm(wasm, board.target), imports={}, stack=8192) as session:
        printed, results = session.invoke(*(("_start", []) if module.prints else ("run", [N])))
    assert (printed.decode() or str(results[0])) == oracle(module, wasm, tmp_path / "stdout")


@pytest.mark.parametrize("tool", ["wasi-sdk", "zig"])
def test_the_guide_s_truncation_example(tool: str, folder: Path) -> None:
    """A small program with both marks exported needs less than 8 KiB of linear memory, and not 64."""
    module = next(module for module in MODULES if module.name == f"{tool}-nostdlib")
    facts = image_facts(aot.compile_wasm(_wasm(module, folder), "cortex-m4f"))
    assert facts["linear_memory"] < 8192
    assert facts["aux_stack_size"] == 1024


def _allocator(name: str, folder: Path) -> Any:
    wasm = _wasm(next(module for module in MODULES if module.name == name), folder)
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
    from insitu import port

    cpu.map_flash(FLASH, aot.compile_wasm(wasm, "cortex-m4f"))
    return port.Runtime(bytearray(500_000)).load(FLASH).instantiate(stack_size=8192, heap_size=4096)


def test_assemblyscript_s_own_heap_serves_the_host(folder: Path) -> None:
    instance = _allocator("AssemblyScript-incremental", folder)
    assert instance.app_heap is None
    at = instance.module_dup_data(b"from the host")
    assert instance.memory[at : at + 13] == b"from the host"
    instance.module_free(at)
