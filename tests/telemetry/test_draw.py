"""The picture shows every byte of the global heap once."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.errors import InsituError
from insitu.telemetry import draw
from insitu.telemetry.decode import decode

FLASH = 0x08000000
TEXT = """(module (memory (export "memory") 1) (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1048))
  (func (export "f") (global.set $sp (i32.const 1000)) (i32.store (global.get $sp) (i32.const -1))))"""


@pytest.fixture
def snapshot() -> Any:
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m4f"))
    from insitu import port
    from insitu.port.host import telemetry

    cpu.map_flash(FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), "cortex-m4f", aot.Options(app_heap=128)))
    runtime = port.Runtime(bytearray(8000))
    instance = runtime.load(FLASH).instantiate(stack_size=1024, heap_size=128)
    instance.exports.f()
    instance.module_malloc(32)
    runtime.malloc(100)
    return decode(telemetry.snapshot(runtime))


def test_parts_are_the_whole(snapshot: Any) -> None:
    parts = draw.parts(snapshot)
    assert sum(part.size for part in parts) == 8000
    kinds = {part.kind: part for part in parts}
    assert (kinds["aux"].size, kinds["aux"].peak) == (1024, 24)
    assert (kinds["app heap"].size, kinds["app heap"].peak) == (128, 32)
    assert kinds["operand"].size == 1024
    assert kinds["host"].size >= 100


def test_it_is_a_picture(snapshot: Any) -> None:
    root = ElementTree.fromstring(draw.svg(snapshot, "a < b"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in texts
    assert "global heap, 8,000 bytes" in texts
    assert "1,024 bytes, 24 used at most" in texts


def test_without_a_runtime() -> None:
    with pytest.raises(InsituError, match="no runtime"):
        draw.parts({"global_heap": None})
