"""Memories whose pages have one byte (the proposal of custom page sizes), with and without a window."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.aot.window import Wanted
from insitu.wasm.decode import decode
from insitu.wasm.errors import Invalid
from insitu.wasm.validate import validate
from wasmtime._bindings import wasmtime_config_wasm_custom_page_sizes_set

from tests.spec import wabt

_TEXT = """(module (memory (export "memory") {limits} (pagesize 1)) (data (i32.const 2) "abc")
  (func (export "size") (result i32) (memory.size))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "load1") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "load2") (param i32) (result i32) (i32.load16_s offset=3 (local.get 0)))
  (func (export "load4") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "load8") (param i32) (result i64) (i64.load offset=1 (local.get 0)))
  (func (export "store1") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "store2") (param i32 i32) (i32.store16 (local.get 0) (local.get 1)))
  (func (export "store4") (param i32 i32) (i32.store offset=2 (local.get 0) (local.get 1)))
  (func (export "store8") (param i32 i32) (i64.store (local.get 0) (i64.extend_i32_s (local.get 1)))))"""


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def make(text: str) -> bytes:
        folder = tmp_path_factory.mktemp("pages")
        (folder / "m.wat").write_text(text)
        return wabt.assemble(folder / "m.wat", folder, "--enable-custom-page-sizes", "--no-check")

    return make


def _oracle(wasm: bytes) -> tuple[wasmtime.Store, Any]:
    config = wasmtime.Config()
    wasmtime_config_wasm_custom_page_sizes_set(config.ptr(), True)
    store = wasmtime.Store(wasmtime.Engine(config))
    return store, wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)


@pytest.mark.parametrize(
    ("target", "limits", "window"),
    [
        ("cortex-m0plus", "13 13", None),  # fixed
        ("rv32imc", "13 500", None),  # it grows
        ("cortex-m4f", "5 700", Wanted(0, 0)),
        ("rv32imc", "300 700", Wanted(0, 128, 64)),
        ("cortex-m0plus", "301 700", Wanted(130, 250, 256)),
    ],
)
def test_every_byte_counts(assembled: Any, target: str, limits: str, window: Wanted | None) -> None:
    """Sizes, growth and traps about the end, to the byte, as wasmtime has them; and all of memory in the end."""
    wasm = assembled(_TEXT.format(limits=limits))
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port

    cpu.map_flash(0x08000000, aot.compile_wasm(wasm, target, aot.Options(window=window)))
    ours = port.Runtime(bytearray(20_000)).load(0x08000000).instantiate(stack_size=2048)
    store, theirs = _oracle(wasm)
    chance, others = random.Random(5), ("size", "grow", "fill", "copy")
    names = [name for name in theirs if name not in ("memory", *others)]
    for _ in range(500):
        size = theirs["size"](store)
        address = (chance.choice((0, size, size, 64, 128)) + chance.randint(-14, 4)) & 0xFFFFFFFF
        name, value, length = chance.choice((*names, *names, *others)), chance.getrandbits(31), chance.randrange(20)
        arguments = {
            "size": [],
            "grow": [chance.randint(0, 30)],
            "fill": [address, value % 256, length],
            "copy": [address, value % (size + 3), length],
        }.get(name, [address, value][: 1 + name.startswith("store")])
        try:
            expected = theirs[name](store, *arguments)
        except wasmtime.Trap:
            with pytest.raises(port.errors.Trap, match="out of bounds memory access"):
                ours.lookup_function(name)(*arguments)
        else:
            assert ours.lookup_function(name)(*arguments) == expected, (name, arguments)
    memory = ours.memory
    assert (memory.size, memory.pages) == (theirs["size"](store), theirs["size"](store))
    assert memory.read(0, memory.size) == bytes(theirs["memory"].read(store))


def test_an_app_heap_behind_an_odd_end(assembled: Any) -> None:
    wasm = assembled('(module (memory (export "memory") 13 (pagesize 1)))')
    cpu = insitu.sim.install(insitu.sim.Cpu("rv32imc"))
    from insitu import port

    cpu.map_flash(0x08000000, aot.compile_wasm(wasm, "rv32imc", aot.Options(app_heap=64)))
    instance = port.Runtime(bytearray(4000)).load(0x08000000).instantiate(heap_size=64)
    assert (instance.module_malloc(64), instance.module_malloc(8)) == (16, 0)


def test_only_one_byte_or_64_kib(assembled: Any) -> None:
    """The type's flags 8, minimum 1, log2 of the page."""
    for log2 in range(1, 64):
        module = decode(b"\0asm\1\0\0\0\5\4\1\x08\x01" + bytes([log2]))
        if log2 == 16:
            validate(module)
        else:
            with pytest.raises(Invalid, match="invalid custom page size"):
                validate(module)
    with pytest.raises(Invalid, match="memory size must be at most 4294967295 pages"):
        validate(decode(b"\0asm\1\0\0\0\5\x08\1\x08\x80\x80\x80\x80\x10\0"))


@pytest.mark.parametrize(("owner", "importer"), [("1", "65536"), ("65536", "1")])
def test_an_importer_must_count_the_same(assembled: Any, owner: str, importer: str) -> None:
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m3"))
    from insitu import port

    own, same = f"(pagesize {owner})", '(func (export "size") (result i32) (memory.size))'
    texts = (
        f'(module (memory (export "memory") 1 3 {own}))',
        f'(module (import "a" "memory" (memory 0 (pagesize {importer}))))',
        f'(module (import "a" "memory" (memory 0 3 {own})) {same})',
    )
    for i, text in enumerate(texts):
        cpu.map_flash(0x08000000 + 0x10000 * i, aot.compile_wasm(assembled(text), "cortex-m3"))
    runtime = port.Runtime(bytearray(70_000))
    instance = runtime.load(0x08000000).instantiate()
    with pytest.raises(port.errors.LinkError, match=f"must have pages of {importer} bytes, it has pages of {owner}"):
        runtime.load(0x08010000).instantiate(imports={"a": instance})
    assert runtime.load(0x08020000).instantiate(stack_size=1024, imports={"a": instance}).exports.size() == 1
