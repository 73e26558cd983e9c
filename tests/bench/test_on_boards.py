"""Every kernel on the firmware of boards whose CPUs have no other emulator than QEMU beside the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.aot import compile_wasm
from insitu.aot.targets import target
from insitu.board.boards import load_board
from insitu.machine import emulated
from insitu.package import deploy

from bench import compiled, kernels

_RUN = """
rt = insitu.Runtime(heap=(%d, %d))
inst = rt.load(%d).instantiate(stack_size=4096)
print(inst.exports.run(%d) & 0xffffffff)
rt.destroy()
"""


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["qemu_mps2_an500", "qemu_mps2_an505"])
def test_kernels_give_what_wasmtime_gives(name: str, tmp_path: Path) -> None:
    board, method = load_board(name), deploy.METHODS["romfs"]
    contents, at, wanted = method.contents(board), {}, {}
    free = board.image.address
    for kernel in kernels.names():
        wasm = compiled.compile_kernel(kernels.SOURCES / f"{kernel}.c", tmp_path, target(board.target))
        image = compile_wasm(wasm, board.target)
        contents.append((free, image))
        at[kernel], wanted[kernel] = free, compiled.oracle(wasm, kernels.TIMES)
        free += -(-len(image) // 16) * 16
    with emulated(board, contents) as machine, machine.link() as link:
        method.install(link, board)
        link.run("import insitu")
        found = {
            kernel: int(link.run(_RUN % (board.heap_address, board.global_heap, address, kernels.TIMES)))
            for kernel, address in at.items()
        }
    assert found == wanted
