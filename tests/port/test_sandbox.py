"""Issue 7: each way out of the sandbox, and each wrong answer of the device, that was once found; by its number."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
import wasmtime
from insitu import aot
from insitu.port.xip import layout
from insitu.wasm.errors import Unsupported

TRUNCATED = """(module (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1040)))"""
# The code leaves out the check of what lies below the minimum that it declares.
RELIES = """(module (import "a" "memory" (memory {least}))
  (func (export "load") (result i32) (i32.load offset=1040 (i32.const 0)))
  (func (export "store") (param i32) (i32.store offset=1040 (i32.const 0) (local.get 0))))"""


def sealed(data: bytes, *words: tuple[int, int]) -> bytes:
    """The image with words (offset, value) set, its size's copy and its CRC right again."""
    changed = bytearray(data)
    for offset, word in words:
        struct.pack_into("<I", changed, offset, word & 0xFFFFFFFF)
    struct.pack_into("<I", changed, layout.IMAGE_CRC, zlib.crc32(changed[layout.IMAGE_CRC + 4 :]))
    return bytes(changed)


# --- 1.1 ---


def test_1_1_truncated_memory_is_not_linked_to_an_importer_that_relies_on_more(device: Any) -> None:
    """1.1: the linker compared pages, the truncated owner has fewer bytes."""
    owner = device.instantiate(TRUNCATED)
    assert (owner.memory.pages, owner.memory_size()) == (1, 1040)
    before = device.runtime.heap.used()
    with pytest.raises(device.port.LinkError, match="at least 65536 bytes, it ends at its __heap_base, 1040: build"):
        device.instantiate(RELIES.format(least=1), imports={"a": owner})
    assert device.runtime.heap.used() == before


def test_1_1_the_hint_is_true(device: Any) -> None:
    """1.1: built as the refusal says, it links, and all of the page is there."""
    whole = device.instantiate(TRUNCATED.replace('(export "__data_end")', "").replace('(export "__heap_base")', ""))
    user = device.instantiate(RELIES.format(least=1), imports={"a": whole})
    user.exports.store(77)
    assert (user.exports.load(), whole.memory[1040], whole.memory_size()) == (77, 77, 65536)


def test_1_1_an_importer_that_relies_on_nothing_links(device: Any) -> None:
    """1.1: a minimum of 0 pages; every access is checked against the bytes that there are."""
    owner = device.instantiate(TRUNCATED)
    user = device.instantiate(RELIES.format(least=0), imports={"a": owner})
    for call in (user.exports.load, lambda: user.exports.store(1)):
        with pytest.raises(device.port.Trap, match="out of bounds memory access"):
            call()
    assert user.memory.pages == 1
    with pytest.raises(device.port.OutOfHeap, match="cannot grow"):
        user.memory.grow(1)
    assert (user.memory.pages, owner.memory_size(), user.memory_size()) == (1, 1040, 1040)


def test_1_1_an_app_heap_smaller_than_nothing_is_refused(device: Any) -> None:
    """1.1: heap_size=-100 made the memory smaller than what the code relies on."""
    text = """(module (import "env" "malloc" (func (param i32) (result i32))) (memory 1)
      (func (export "last") (result i32) (i32.load offset=65532 (i32.const 0))))"""
    with pytest.raises(device.port.Error, match="heap_size"):
        device.instantiate(text, heap_size=-100)


@pytest.mark.parametrize("pages", [16384, 65535, 65536])
def test_1_1_more_memory_than_the_device_can_count_is_refused(device: Any, pages: int) -> None:
    """1.1: 65,536 pages are 0 bytes in 32 bits, and the code had no check at all."""
    text = f'(module (memory {pages}) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))'
    with pytest.raises(Unsupported, match=f"{pages} pages, the limit is 16383"):
        device.image(text)
    image = device.image('(module (memory 1) (func (export "size") (result i32) (memory.size)))')
    with pytest.raises(device.port.LoadError, match="memory size"):
        device.load_image(sealed(image, (layout.IMAGE_MEMORY_MIN, pages), (layout.IMAGE_MEMORY_SIZE, pages << 16)))


# --- 1.2 ---


def _tables(count: int) -> str:
    """The last of count tables is written by table.init, table.copy, table.grow and table.fill."""
    last = count - 1
    return f"""(module {"(table 1 funcref)" * last} (table $last 2 10 funcref) (elem $e func $f)
      (func $f (result i32) (i32.const 7))
      (func (export "go") (result i32)
        (table.init {last} $e (i32.const 1) (i32.const 0) (i32.const 1))
        (table.copy {last} {last} (i32.const 0) (i32.const 1) (i32.const 1))
        (drop (table.grow {last} (ref.func $f) (i32.const 3)))
        (table.fill {last} (i32.const 2) (ref.null func) (i32.const 1))
        (i32.add (call_indirect {last} (result i32) (i32.const 0))
          (call_indirect {last} (result i32) (i32.const 4))))
      (func (export "size") (result i32) (table.size {last})))"""


def test_1_2_the_last_table_index_fits_in_a_request(device: Any) -> None:
    """1.2: 1,024 tables are the most: the word of a request stays a small int."""
    exports = device.instantiate(_tables(layout.MOST_TABLES)).exports
    assert (exports.go(), exports.size()) == (14, 5)
    worst = (layout.MOST_TABLES - 1) << layout.TABLE_SHIFT | layout.MOST_ELEMENTS - 1
    assert worst < layout.MOST_OPERANDS
    assert (layout.MOST_OPERANDS - 1) << 8 | 255 < 1 << 30


def test_1_2_more_tables_are_refused(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1.2: by the compiler, and by the loader where an older compiler did not."""
    wasm = bytes(wasmtime.wat2wasm(_tables(layout.MOST_TABLES + 1)))
    with pytest.raises(Unsupported, match="1025 tables, the limit is 1024"):
        aot.compile_wasm(wasm, device.target)
    monkeypatch.setattr(layout, "MOST_TABLES", 4096)
    image = aot.compile_wasm(wasm, device.target)
    with pytest.raises(device.port.LoadError, match="malformed: tables"):
        device.load_image(image)


_RETURNS = {  # code that returns 0x40000000 and 0x80000000
    "arm": (b"\x01\x20\x80\x07\x70\x47\0\0", b"\x01\x20\xc0\x07\x70\x47\0\0"),
    "rv32": (b"\x37\x05\0\x40\x67\x80\0\0", b"\x37\x05\0\x80\x67\x80\0\0"),
}


def test_1_2_the_twin_is_as_narrow_as_the_device(device: Any) -> None:
    """1.2: start keeps 31 bits of a request, as the object of a small int; resume's result is a signed word."""
    from insitu.port import platform
    from insitu.port.xip.enter import half

    code = _RETURNS["rv32" if device.target == "rv32imc" else "arm"]
    for data, started, resumed in zip(code, (-0x40000000, 0), (0x40000000, -0x80000000), strict=True):
        stub = platform.address_of(device.put(data)) + platform.code_bit()
        ram = device.cpu.memory.map_buffer(256)
        state = [half(stub), half(ram), half(ram), half(ram), 0, 0]
        platform.start((False, None, state, half(stub), half(stub), 0, 2), None)
        assert state[5] == started
        assert platform.resume(state, None) == resumed


def test_1_2_the_twin_s_buffers_are_as_writable_as_the_device_s(device: Any) -> None:
    """1.2: bytes are read-only for compiled code and for viper, too; viper takes no float for an int."""
    from insitu.port import platform
    from insitu.port.xip.raw import peek, poke
    from insitu.sim import MemoryFault

    address = platform.address_of(b"read only")
    assert peek(address, 0) == int.from_bytes(b"read", "little")
    with pytest.raises(MemoryFault, match="write to"):
        poke(address, 0, 5)
    assert platform.view(address, 4).readonly
    for wrong in (1.0, "1", None):
        with pytest.raises(TypeError):
            peek(address, wrong)


# --- 2: images ---


@pytest.mark.parametrize("size", [0x7FFFFFFC, 0x80000000, 0xFFFFFFFC, 0x00FFFFFC, 0])
def test_2_an_image_s_damaged_size_is_found_before_it_is_read(device: Any, size: int) -> None:
    """2: the CRC walked through unmapped memory, or was skipped, where the size was damaged."""
    data = device.image("(module)")
    address = device.flash
    device.put(sealed(data, (layout.IMAGE_SIZE, size)))
    with pytest.raises(device.port.LoadError, match="the image's size is damaged"):
        device.runtime.load(address)
    address = device.flash
    device.put(sealed(data, (layout.IMAGE_SIZE, size), (layout.IMAGE_SIZE_INVERTED, ~size)))
    if not layout.HEADER_SIZE <= size <= layout.MOST_IMAGE:
        with pytest.raises(device.port.LoadError, match="the image's size is damaged"):
            device.runtime.load(address)


# --- 2: linear memory ---


def test_2_a_memory_whose_size_the_code_asks_for_is_not_truncated(device: Any) -> None:
    """2: an allocator that goes by memory.size used what was cut off, and trapped."""
    text = """(module (memory (export "memory") 1)
      (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1040))
      (func (export "last") (result i32)
        (i32.load (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))))"""
    instance = device.instantiate(text)
    assert (instance.exports.last(), instance.memory_size()) == (0, 65536)


GROWS = """(module (memory (export "memory") 1) (table (export "table") 2 funcref)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "grow_table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))
  (func (export "size") (result i32) (memory.size)))"""


@pytest.mark.parametrize("pages", [9000, 16382, 16383, 40000, 0x7FFFFFFF, -1])
def test_2_growth_that_no_heap_has_room_for_is_refused(device: Any, pages: int) -> None:
    """2: memory.grow(40000) on Runtime() raised OverflowError."""
    for options in ({}, {"heap": bytearray(200_000)}, {"allocator": _downwards(device, 200_000)}):
        runtime = device.port.Runtime(**options)
        exports = runtime.load(device.put(device.image(GROWS))).instantiate(stack_size=1024).exports
        assert (exports.grow(pages), exports.grow_table(1 << 30), exports.size()) == (-1, -1, 1)
        assert runtime.malloc(1 << 40) == 0
        runtime.heap.check()
        runtime.destroy()


def _downwards(device: Any, size: int, blocks: dict[int, int] | None = None) -> Any:
    """malloc, realloc and free that give the highest addresses first; blocks: where the used ones are noted."""
    start = device.cpu.memory.map_buffer(size)
    blocks = {} if blocks is None else blocks

    def malloc(wanted: int) -> int:
        at = min([start + size, *blocks]) - (wanted + 7 & ~7)
        if at < start:
            return 0
        blocks[at] = wanted
        return at

    def realloc(at: int, wanted: int) -> int:
        new = malloc(wanted)
        if new:
            length = min(wanted, blocks.pop(at))
            device.cpu.view(new, length)[:] = bytes(device.cpu.view(at, length))
        return new

    return malloc, realloc, blocks.pop


def test_2_blocks_below_the_first_one_are_given_back(device: Any) -> None:
    """2: an allocator may give addresses below its first one: such tables were never freed."""
    blocks: dict[int, int] = {}
    runtime = device.port.Runtime(allocator=_downwards(device, 300_000, blocks))
    first = dict(blocks)
    module = runtime.load(device.put(device.image(GROWS)))
    instance = module.instantiate(stack_size=1024)
    assert instance.block < 0
    assert (instance.exports.grow_table(5), instance.exports.grow(1)) == (2, 1)
    from insitu.port import telemetry
    from insitu.telemetry.decode import check_sums, decode, owners

    snapshot = decode(telemetry.snapshot(runtime))
    check_sums(snapshot)
    assert sum(owners(snapshot).values()) == runtime.heap.used()
    instance.deinstantiate()
    assert blocks == first
    runtime.destroy()
    assert blocks == {}
