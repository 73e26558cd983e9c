"""What Python sees of a memory with a window, and what becomes of its far pages."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from insitu import aot
from insitu.aot.window import Wanted
from insitu.commands.inspect import image_facts
from insitu.port.xip import layout
from insitu.telemetry.ask import pools
from insitu.telemetry.decode import check_sums, decode
from insitu.telemetry.draw import parts

if TYPE_CHECKING:
    from tests.port.conftest import Device

PAGE, WINDOW = 65536, 1024
TARGETS = ("cortex-m0plus", "rv32imc")  # of the others the far routine is the same as the first's
TEXT = """(module (memory (export "memory") 1 4) (data (i32.const 1080) "across the window's end and on")
  (global $sp (mut i32) (i32.const 40000)) (global (export "__data_end") i32 (i32.const 40016))
  (global (export "__heap_base") i32 (i32.const 40016))
  (func (export "get") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "set") (param i32 i32) (i32.store (local.get 0) (local.get 1))))"""


@functools.cache
def _image(text: str, target: str, window: Wanted | int = WINDOW) -> bytes:
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target, aot.Options(window=window))


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    """These of conftest's."""
    return str(request.param)


@pytest.fixture
def instance(device: Device) -> Any:
    return device.load_image(_image(TEXT, device.target)).instantiate(stack_size=1024)


def test_python_reads_and_writes_across_every_border(instance: Any) -> None:
    memory = instance.memory
    assert (memory.size, len(memory), memory.pages) == (PAGE, PAGE, 1)
    assert memory.read(1078, 34) == b"\0\0across the window's end and on\0\0"
    memory.write(5000, bytes(range(256)))
    assert memory.read(4999, 258) == b"\0" + bytes(range(256)) + b"\0"
    assert instance.exports.get(5118) == 0x79787776  # over a page's end, at 5,120
    instance.exports.set(8190, 0x44332211)
    assert memory[8190:8194] == b"\x11\x22\x33\x44"
    memory[8191] = 7
    memory[8188:8191] = b"abc"
    assert (memory[8191], memory[20000], memory[8188:8192]) == (7, 0, b"abc\x07")
    assert memory.read(PAGE, 0) == b""
    used = instance.runtime.heap.used()
    assert memory.read(10000, PAGE - 10000).count(0) > 50000
    assert (memory[30000:30010], memory[30000]) == (bytes(10), 0)
    assert instance.runtime.heap.used() == used  # reading takes no pages
    for wrong in (lambda: memory.read(PAGE - 1, 2), lambda: memory[PAGE], lambda: memory.write(PAGE - 1, b"ab")):
        with pytest.raises(IndexError, match="linear memory has 65536"):
            wrong()


def test_a_view_is_of_the_bytes_where_they_are(instance: Any) -> None:
    """In the window, in a page, and over borders, where it is no memoryview."""
    memory = instance.memory
    for start in (500, 5000, 1084, 5110):
        view = memory.view(start, 20)
        view[3:5] = b"xy"
        view[0] = 0x41
        assert memory.read(start, 6)[0:1] + memory.read(start + 3, 2) == b"Axy"
        memory.write(start + 10, b"later")
        assert bytes(view[10:15]) == b"later"
        assert (view[11], len(view)) == (ord("a"), 20)
    with pytest.raises(ValueError, match="3 bytes assigned to 2"):
        memory.view(5110, 20)[:2] = b"abc"


def test_growing_moves_and_costs_nothing(instance: Any) -> None:
    used, at = instance.runtime.heap.used(), instance.addr_app_to_native(0)
    assert instance.memory.grow(2) == 1
    assert (instance.memory.pages, instance.exports.get(3 * PAGE - 4)) == (3, 0)
    assert (instance.runtime.heap.used(), instance.addr_app_to_native(0)) == (used, at)
    instance.exports.set(3 * PAGE - 4, 77)
    assert instance.memory.read(3 * PAGE - 4, 4) == b"\x4d\0\0\0"


def test_addresses_of_far_pages(instance: Any) -> None:
    for at in (10, 5003):
        address = instance.addr_app_to_native(at)
        assert instance.addr_native_to_app(address) == at
        assert instance.validate_native_addr(address, 4)
    assert instance.addr_app_to_native(PAGE) == 0
    assert instance.addr_native_to_app(instance.runtime.base + instance.block - 64) == 0


def test_aux_stack_s_peak_far_from_the_window(device: Device) -> None:
    """It begins at 40,000 and goes down; its lowest byte that is not 0 is the peak."""
    text = TEXT.replace("i32.const 1080", "i32.const 40000")
    instance = device.load_image(_image(text, device.target)).instantiate(stack_size=1024)
    assert instance.aux_stack() == (0, 40000)
    instance.exports.set(39996, 1)
    instance.exports.set(39000, 1)
    assert instance.aux_stack_used() == 40000 - 39000
    instance.exports.set(300, 1)
    assert instance.aux_stack_used() == 40000 - 300


def test_a_full_global_heap_is_a_trap_of_its_own_and_the_instance_goes_on(make_device: Any) -> None:
    device = make_device(6000)
    instance = device.load_image(_image(TEXT, device.target)).instantiate(stack_size=1024)
    written = 0
    with pytest.raises(device.port.errors.Trap, match=r"no room in the global heap for linear memory at \d+") as raised:
        for at in range(2048, PAGE, 128):
            instance.exports.set(at, at)
            written += 1
    assert "far page of 128 bytes" in str(raised.value)
    assert written > 20
    assert [instance.exports.get(2048 + 128 * i) for i in range(written + 1)] == [
        *(2048 + 128 * i for i in range(written)),
        0,
    ]
    device.runtime.heap.check()
    instance.deinstantiate()
    device.load_image(_image(TEXT, device.target)).instantiate(stack_size=1024).exports.set(9000, 5)


def test_an_importer_is_told_how_to_build_the_owner(device: Device) -> None:
    owner = device.load_image(_image(TEXT, device.target)).instantiate(stack_size=1024)
    importer = device.load('(module (import "a" "memory" (memory 1)))')
    with pytest.raises(device.port.errors.LinkError, match="build its module without --window"):
        importer.instantiate(imports={"a": owner})


def test_a_region_is_refused(device: Device) -> None:
    module = device.load_image(_image(TEXT, device.target))
    with pytest.raises(device.port.errors.Error, match="far pages come from the global heap"):
        module.instantiate(memory=bytearray(PAGE))


def test_app_heap_in_far_pages(device: Device) -> None:
    text = '(module (import "env" "malloc" (func (param i32) (result i32))) (memory (export "memory") 1 2))'
    instance = device.load_image(_image(text, device.target)).instantiate(stack_size=1024, heap_size=2000)
    at = instance.module_malloc(1500)
    assert PAGE <= at < PAGE + 500
    instance.memory.write(at, bytes(1500 * [9]))
    assert instance.memory.read(at + 1498, 4) == b"\x09\x09\0\0"


_FLAGS = layout.FLAG_MEMORY | layout.FLAG_MEMORY_WINDOW | layout.FLAG_MEMORY_GROWS


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        (layout.IMAGE_MEMORY_SLACK, 1100, "memory window"),
        (layout.IMAGE_MEMORY_SLACK, 2 * PAGE, "memory window"),
        (layout.IMAGE_FLAGS, layout.FLAG_MEMORY_WINDOW, "memory flags"),
        (layout.IMAGE_FLAGS, layout.FLAG_MEMORY_WINDOW | layout.FLAG_MEMORY | layout.FLAG_MEMORY_FIXED, "memory flags"),
        (layout.IMAGE_FLAGS, layout.FLAG_MEMORY | layout.FLAG_MEMORY_GROWS, "memory slack"),
        (layout.IMAGE_MEMORY_SIZE, PAGE - 128, "memory size"),
        (layout.IMAGE_MEMORY_SLACK, 128, "thunk"),  # the code knows another window
        (layout.IMAGE_APP_HEAP, 128, "thunk"),
        (layout.IMAGE_FLAGS, _FLAGS | 6 << layout.FLAGS_FAR_SHIFT, "thunk"),
        (layout.IMAGE_APP_HEAP, 100, "memory window"),
        (layout.IMAGE_APP_HEAP, PAGE - 128, "memory window"),
        (layout.IMAGE_APP_HEAP, 0xFFFFFF80, "memory window"),
        (layout.IMAGE_FLAGS, _FLAGS | 5 << layout.FLAGS_FAR_SHIFT, "memory window"),
        (layout.IMAGE_FLAGS, _FLAGS | 9 << layout.FLAGS_FAR_SHIFT, "memory window"),
        (layout.IMAGE_FLAGS, _FLAGS | layout.FLAG_MEMORY_BYTES | 7 << layout.FLAGS_FAR_SHIFT, "memory size"),
    ],
)
def test_a_damaged_image_is_refused(device: Device, field: int, value: int, what: str) -> None:
    from insitu.image.pack import seal

    data = bytearray(_image(TEXT, device.target))
    data[field : field + 4] = value.to_bytes(4, "little")
    with pytest.raises(device.port.errors.LoadError, match=what):
        device.load_image(seal(data))


def test_telemetry_counts_far_pages_and_accesses(instance: Any) -> None:
    """The sums add up, with a window in the instance's block and pages of its own."""
    for at in range(8192, 8192 + 10 * 128, 128):
        instance.exports.set(at, at)
    instance.exports.get(8192)
    from insitu.port.host import telemetry

    found = decode(telemetry.snapshot(instance.runtime))
    check_sums(found)
    (far,) = found["far_memories"]
    assert (far["window"], far["pages"], far["pages"] + far["ready"]) == (1152, 10, 16)
    assert 11 <= far["accesses"] <= 13  # on Cortex-M the routine looks once more where it got a chunk, here two
    rows = {row[0].strip(): row for row in pools(found)}
    assert rows["far pages"][1:] == (16 * 128, 10 * 128, None, f"10 pages of 128, {far['accesses']} far accesses")
    drawn = parts(found)
    assert sum(part.size for part in drawn) == found["global_heap"]["size"]
    assert {"linear memory: window", "linear memory: far pages"} <= {part.text for part in drawn}


def test_a_window_elsewhere(device: Device) -> None:
    """For Python, the aux stack's peak, addresses, telemetry and inspect; it is 38,976 to 41,088."""
    image = _image(TEXT.replace("i32.const 1080", "i32.const 40000"), device.target, Wanted(39000, 41000, 64))
    note = image_facts(image)["linear_memory_note"]
    assert note == "2112 bytes of RAM as its window at 38976, the rest in far pages of 64 when written"
    instance = device.load_image(image).instantiate(stack_size=1024)
    memory, data = instance.memory, bytes(range(1, 101))
    for border in (38976, 41088):
        memory.write(border - 50, data)
        assert memory.read(border - 51, 102) == b"\0" + data + b"\0"
        view = memory.view(border - 2, 4)
        view[1:3] = b"xy"
        assert memory.read(border - 2, 4) == bytes([49]) + b"xy" + bytes([52])
        for at in (border - 1, border):
            address = instance.addr_app_to_native(at)
            assert instance.addr_native_to_app(address) == at
    memory.write(38976 - 50, bytes(100))
    instance.exports.set(39996, 1)
    assert instance.aux_stack_used() == 4
    instance.exports.set(38000, 1)
    assert instance.aux_stack_used() == 40000 - 38000
    from insitu.port.host import telemetry

    (far,) = decode(telemetry.snapshot(instance.runtime))["far_memories"]
    assert (far["start"], far["window"], far["page"], far["pages"]) == (38976, 2112, 64, 3)
