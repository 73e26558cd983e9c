"""`insitu inspect`, and that a run takes just the RAM that it says."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from insitu import aot
from insitu.aot.targets import TARGETS
from insitu.board import boards
from insitu.commands import inspect
from insitu.image.pack import seal
from insitu.image.read import ImageError
from insitu.machine.simulated import Here
from insitu.port.xip import layout
from insitu.session.session import Session
from insitu.telemetry.decode import decode, owners

from tests.cli.conftest import Command, refused

TOOLCHAIN = """(module
  (import "env" "f" (func $f (param i32 f64) (result i64)))
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1100))
  (global (export "__heap_base") i32 (i32.const 1104))
  (data (i32.const 1024) "hello")
  (func (export "go") (param i32) (result i32) (global.set $sp (local.get 0)) (global.get $sp)))"""
MODULES = {
    "toolchain": TOOLCHAIN,
    "no memory": '(module (func (export "go")))',
    "whole pages": '(module (memory 1) (func (export "go") (i32.store (i32.const 0) (i32.const 1))))',
    "growing": '(module (memory 1 2) (func (export "go") (drop (memory.grow (i32.const 0)))))',
    "tables": """(module (table 5 funcref) (table $t (export "t") 3 funcref) (elem (i32.const 1) $f)
      (func $f (export "go") (call_indirect (i32.const 0))))""",
    "externrefs": """(module (table (export "t") 5 externref) (table 3 4 externref) (table $g (export "g") 2 funcref)
      (func (export "go") (drop (table.grow 1 (ref.null extern) (i32.const 1)))))""",
}


def test_a_module(insitu: Command, wasm: Callable[..., Path]) -> None:
    found = insitu("inspect", wasm(TOOLCHAIN), "--json").json
    assert found["imports"] == [{"module": "env", "name": "f", "kind": "func", "type": ""}]
    assert [export["name"] for export in found["exports"]] == ["memory", "__data_end", "__heap_base", "go"]
    assert [section["name"] for section in found["sections"]][:3] == ["type", "import", "function"]
    assert (found["data_end"], found["heap_base"], found["aux_stack_size"]) == (1100, 1104, 1024)
    text = insitu("inspect", wasm(TOOLCHAIN)).out
    assert "heap base            1104" in text
    assert "  env  f  func" in text


def test_an_image(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm(TOOLCHAIN)
    assert insitu("build", source, "-b", "qemu_rv32").status == 0
    image = source.with_suffix(".xip")
    found = insitu("inspect", image, "--json").json
    assert (found["kind"], found["arch"]) == ("image", "rv32imc")
    assert found["image_bytes"] == image.stat().st_size
    assert found["image_bytes"] == found["code_bytes"] + found["table_bytes"] + found["data_bytes"]
    assert found["data_bytes"] == len("hello")
    assert found["imports"] == [{"module": "env", "name": "f", "kind": "func", "type": "iF:I"}]
    assert (found["linear_memory"], found["linear_memory_note"]) == (1104, "fixed, ends at __heap_base")
    assert found["ram"]["sum"] == sum(size for pool, size in found["ram"].items() if pool != "sum")
    assert "linear memory        1104" in insitu("inspect", image).out
    both = insitu("inspect", source, "-b", "qemu_rv32", "--json").json
    assert both["image"] == found


@pytest.mark.parametrize(("board", "stack"), [("qemu_stm32f405", 1000), ("qemu_rv32", 2048)])
@pytest.mark.parametrize("name", MODULES)
def test_the_ram_is_what_telemetry_reports(wasm: Callable[..., Path], board: str, name: str, stack: int) -> None:
    described = boards.load_board(board)
    data = aot.compile_wasm(wasm(MODULES[name]).read_bytes(), described.target)
    said = inspect.image_facts(data, stack)["ram"]
    imports = {"env.f": "print"} if "env" in MODULES[name] else {}
    with Session(described, data, imports=imports, heap=200_000, stack=stack, sim=True) as session:
        from insitu.port.host import telemetry

        assert isinstance(session.link, Here)

        found = decode(telemetry.snapshot(session.link.names["rt"]))
    env = found["exec_envs"][0]
    assert owners(found) == {
        "runtime": said["runtime"],
        "host": 0,
        "instance 0": said["instance"] + said["tables"],
        "instance 0 linear memory": said["linear_memory"],
        "exec env 0": said["exec_env"] + said["operand_stack"],
    }
    assert env["stack_size"] == said["operand_stack"]
    assert found["global_heap"]["used"] == said["sum"] - said["block_headers"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", MODULES)
def test_the_ram_is_known_before_there_is_an_image(name: str, target: str) -> None:
    """From the compiler's plan, without a board: the same for each of them."""
    source = bytes(wasmtime.wat2wasm(MODULES[name]))
    planned, made = inspect.module_facts(source), inspect.image_facts(aot.compile_wasm(source, target))
    assert planned["ram"] == made["ram"]
    assert planned["linear_memory"] == made["linear_memory"]


def test_what_is_no_module_and_no_image(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "text.xip").write_text("hello")
    refused(insitu("inspect", tmp_path / "text.xip"), "not an insitu image: the magic number is missing")
    refused(insitu("inspect", tmp_path / "none.xip"), "No such file")
    (tmp_path / "cut.wasm").write_bytes(wasm(TOOLCHAIN).read_bytes()[:-3])
    refused(insitu("inspect", tmp_path / "cut.wasm"), "cut.wasm offset 0x")
    source = wasm(TOOLCHAIN)
    insitu("build", source, "-b", "qemu_rv32")
    image = bytearray(source.with_suffix(".xip").read_bytes())
    for at, says in ((4, "format version"), (200, "CRC"), (None, "cut off: 100 bytes of")):
        damaged = bytearray(image)
        if at is None:
            del damaged[200:]
            says = "cut off: 200 bytes of"
        else:
            damaged[at] ^= 8
        (tmp_path / "bad.xip").write_bytes(damaged)
        refused(insitu("inspect", tmp_path / "bad.xip"), says)


# Words of an image that is sealed again, as an attacker or a broken tool would, and what is said of it.
RESEALED = {
    "a part outside": (layout.IMAGE_IMPORTS, 0x7FFFFFF0, "imports at offset 0x7ffffff0"),
    "too many records": (layout.IMAGE_EXPORTS + 4, 0x0FFFFFFF, "exports at offset 0x"),
    "segments outside": (layout.IMAGE_DATA, 0xFFFFFFFC, "data segments at offset 0xfffffffc"),
    "tables outside": (layout.IMAGE_TABLES + 4, 1 << 31, "tables at offset 0x"),
    "code outside": (layout.IMAGE_CODE_SIZE, 1 << 30, "code at offset 0x"),
    "types that are none": (layout.IMAGE_TYPES + 4, 0, "type 0 of 0"),
    "names that are none": (layout.IMAGE_EXPORTS, 8, "the image is wrong: "),
}


@pytest.mark.parametrize("name", RESEALED)
def test_a_resealed_image_with_bad_offsets(insitu: Command, wasm: Callable[..., Path], name: str) -> None:
    """Issue 7: struct.error."""
    source = wasm(TOOLCHAIN)
    insitu("build", source, "-b", "qemu_rv32")
    image = source.with_suffix(".xip")
    field, value, says = RESEALED[name]
    changed = bytearray(image.read_bytes())
    struct.pack_into("<I", changed, field, value)
    image.write_bytes(seal(changed))
    refused(insitu("inspect", image), "the image is wrong: ", says)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_resealed_image_is_a_bug(data: st.DataObject) -> None:
    """Any word of header and records may be anything: it is read, or refused in words."""
    image = bytearray(_resealed_source())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.one_of(st.integers(6, layout.HEADER_SIZE // 4 - 1), st.integers(6, len(image) // 4 - 1)))
        struct.pack_into("<I", image, 4 * at, data.draw(st.one_of(st.integers(0, 300), st.integers(0, 0xFFFFFFFF))))
    try:
        inspect.text(inspect.image_facts(seal(image)))
    except ImageError as error:
        assert str(error).startswith("the image is wrong: ")


@functools.cache
def _resealed_source() -> bytes:
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(TOOLCHAIN)), "rv32imc")
