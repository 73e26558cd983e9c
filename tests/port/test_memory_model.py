"""WAMR's guide to tuning memory use, feature by feature (docs/memory.md lists them side by side)."""

from __future__ import annotations

from typing import Any

import insitu.sim
import pytest
from insitu import aot
from insitu.port.errors import Error, Trap

from tests.port.conftest import TARGETS, Device

PAGE = 65536
# What clang makes of a small program: one page, the stack first, then data, both marks exported.
TOOLCHAIN = """(module
  (memory (export "memory") 1)
  (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1100))
  (global (export "__heap_base") i32 (i32.const 1104))
  (data (i32.const 1024) "hello\\00")
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "frame") (param i32) (result i32)
    (global.set $sp (i32.sub (global.get $sp) (local.get 0)))
    (i32.store8 (global.get $sp) (i32.const 7))
    (global.set $sp (i32.add (global.get $sp) (local.get 0)))
    (global.get $sp)))"""
# Takes operand stack on every CPU; what calls nothing need not.
DEEP = """(func $deep (export "deep") (param i32) (result i32)
  (if (result i32) (local.get 0)
    (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))"""
GROWING = """(module (memory 1 4)
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "pages") (result i32) (memory.size)))"""
# A libc heap that only counts up, and marks what it is given back with 0xEE.
LIBC = """(module (memory (export "memory") 1) (global $next (mut i32) (i32.const 64))
  (func (export "malloc") (param i32) (result i32)
    (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 0))))
  (func (export "realloc") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "free") (param i32) (i32.store8 (local.get 0) (i32.const 0xee))))"""
SCRIPT = """(module (memory (export "memory") 1)
  (func (export "__new") (param i32 i32) (result i32) (i32.add (i32.const 128) (local.get 1)))
  (func (export "__pin") (param i32) (result i32) (i32.store8 (local.get 0) (i32.const 1)) (local.get 0))
  (func (export "__unpin") (param i32) (i32.store8 (local.get 0) (i32.const 2))))"""


@pytest.fixture(params=TARGETS)
def device(request: Any) -> Device:
    return Device(request.param, 500_000)


def _load(device: Device, text: str, app_heap: int = 0) -> Any:
    import wasmtime

    return device.load_image(
        aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), device.target, aot.Options(app_heap=app_heap))
    )


def test_truncation_at_heap_base(device: Device) -> None:
    instance = _load(device, TOOLCHAIN).instantiate(stack_size=1024)
    assert instance.memory_size() == 1104
    assert instance.memory.pages == 1
    assert instance.exports.load(1024) == ord("h")
    with pytest.raises(Trap, match="out of bounds memory access"):
        instance.exports.load(1200)  # test_slack.py: what lies between
    assert device.runtime.heap.used() < 4096


def test_no_truncation_without_both_marks(device: Device) -> None:
    text = TOOLCHAIN.replace('(export "__data_end")', "")
    assert _load(device, text).instantiate(stack_size=1024).memory_size() == PAGE


def test_no_truncation_where_an_allocator_asks_for_memory(device: Device) -> None:
    for asks in ("(memory.size)", "(memory.grow (i32.const 0))"):
        text = TOOLCHAIN.replace("1)\n", "1 1)\n", 1)[:-1] + f'(func (export "pages") (result i32) {asks}))'
        instance = _load(device, text).instantiate(stack_size=1024)
        assert (instance.memory_size(), instance.exports.pages()) == (PAGE, 1)


def test_aux_stack_overflow_and_underflow(device: Device) -> None:
    instance = _load(device, TOOLCHAIN).instantiate(stack_size=1024)
    assert instance.aux_stack() == (0, 1024)
    assert instance.exports.frame(100) == 1024
    assert instance.aux_stack_used() == 100
    with pytest.raises(Trap, match="wasm auxiliary stack overflow"):
        instance.exports.frame(2000)
    with pytest.raises(Trap, match="wasm auxiliary stack underflow"):
        instance.exports.frame(-16)


def test_a_call_that_fails_gives_its_aux_stack_back(device: Device) -> None:
    """Of a trap, and of an import's exception, time after time; not what belongs to a call that goes on outside."""
    text = TOOLCHAIN.replace("(module\n", '(module (import "env" "call" (func $call (param i32)))\n', 1)[:-1]
    text += """(func (export "fail") (param i32) (result i32) (local i32)
        (global.set $sp (local.tee 1 (i32.sub (global.get $sp) (i32.const 100))))
        (call $call (local.get 0))
        (if (local.get 0) (then (unreachable)))
        (global.set $sp (i32.add (local.get 1) (i32.const 100)))
        (global.get $sp)))"""
    seen = []

    def call(what: int) -> None:
        if what == 2:
            raise KeyError(what)
        if what == 0:
            for inner, error in ((1, Trap), (2, KeyError)):
                with pytest.raises(error):
                    instance.exports.fail(inner)
            seen.append(instance.exports.frame(16))

    instance = _load(device, text).instantiate(stack_size=1024, imports={"env": {"call": call}})
    for _ in range(12):
        with pytest.raises(Trap, match="unreachable"):
            instance.exports.fail(1)
        with pytest.raises(KeyError):
            instance.exports.fail(2)
    assert instance.exports.fail(0) == 1024
    assert seen[0] <= 1024 - 100


def test_app_heap_of_a_fixed_memory(device: Device) -> None:
    module = _load(device, TOOLCHAIN, app_heap=256)
    instance = module.instantiate(stack_size=1024, heap_size=200)
    assert instance.memory_size() == 1104 + 256
    first, second = instance.module_malloc(100), instance.module_dup_data(b"dup")
    assert 1104 <= first < second < 1104 + 256
    assert instance.exports.load(second + 2) == ord("p")
    assert instance.module_malloc(200) == 0
    instance.module_free(first)
    with pytest.raises(Error, match="freed already"):
        instance.module_free(first)
    assert instance.module_realloc(second, 90) == first
    assert instance.exports.load(first) == ord("d")
    assert (instance.app_heap.used, instance.app_heap.peak) == (96, 112)
    with pytest.raises(Error, match="build it with --heap-size 300"):
        module.instantiate(stack_size=1024, heap_size=300)


def test_app_heap_metadata_is_out_of_the_module_s_reach(device: Device) -> None:
    instance = _load(device, TOOLCHAIN, app_heap=256).instantiate(stack_size=1024, heap_size=256)
    blocks = [instance.module_malloc(24) for _ in range(8)]
    for at in range(1104, 1104 + 256):
        instance.exports.store(at, 0xFF)
    for at in blocks:
        instance.module_free(at)
    assert instance.module_malloc(256) == 1104


def test_app_heap_of_a_growing_memory_is_whole_pages(device: Device) -> None:
    instance = _load(device, GROWING).instantiate(stack_size=1024, heap_size=1000)
    assert instance.exports.pages() == 2
    at = instance.module_malloc(1000)
    assert at == PAGE
    instance.memory[at] = 9
    assert instance.exports.grow(1) == 2
    assert instance.exports.load(at) == 9


def test_no_app_heap_where_the_module_exports_an_allocator(device: Device) -> None:
    instance = _load(device, LIBC).instantiate(stack_size=1024, heap_size=4096)
    assert instance.app_heap is None
    assert instance.memory_size() == PAGE


def test_libc_heap(device: Device) -> None:
    instance = _load(device, LIBC).instantiate(stack_size=1024)
    assert [instance.module_malloc(16), instance.module_malloc(8), instance.module_dup_data(b"xyz")] == [64, 80, 88]
    assert instance.memory[88:91] == b"xyz"
    instance.module_free(80)
    assert instance.memory[80] == 0xEE
    assert instance.module_realloc(5, 6) == 11


def test_assemblyscript_s_heap(device: Device) -> None:
    instance = _load(device, SCRIPT).instantiate(stack_size=1024)
    at = instance.module_malloc(16)
    assert (at, instance.memory[at]) == (128, 1)
    instance.module_free(at)
    assert instance.memory[at] == 2
    with pytest.raises(Error, match="does not export realloc"):
        instance.module_realloc(at, 5)


def test_assemblyscript_s_older_heap(device: Device) -> None:
    text = SCRIPT.replace("__pin", "__retain").replace("__unpin", "__release")
    instance = _load(device, text).instantiate(stack_size=1024)
    assert instance.module_malloc(16) == 128


def test_no_heap_at_all(device: Device) -> None:
    instance = _load(device, TOOLCHAIN).instantiate(stack_size=1024)
    for call in (instance.module_malloc, instance.module_free):
        with pytest.raises(Error, match="no app heap"):
            call(8)


def test_imported_allocator_is_the_app_heap(device: Device) -> None:
    text = """(module
      (import "env" "malloc" (func $malloc (param i32) (result i32)))
      (import "env" "calloc" (func $calloc (param i32 i32) (result i32)))
      (import "env" "realloc" (func $realloc (param i32 i32) (result i32)))
      (import "env" "free" (func $free (param i32)))
      (memory 1)
      (func (export "run") (result i32) (local i32)
        (local.set 0 (call $calloc (i32.const 4) (i32.const 8)))
        (i32.store (local.get 0) (i32.const 77))
        (local.set 0 (call $realloc (local.get 0) (i32.const 64)))
        (call $free (call $malloc (i32.const 16)))
        (i32.load (local.get 0))))"""
    module = _load(device, text)
    instance = module.instantiate(stack_size=1024, heap_size=512)
    assert instance.exports.run() == 77
    assert (instance.app_heap.used, instance.app_heap.peak) == (64, 96)
    assert instance.memory_size() == PAGE + 512
    with pytest.raises(Error, match="instantiate it with a heap_size"):
        module.instantiate(stack_size=1024).exports.run()


def test_address_checks_and_translation(device: Device) -> None:
    instance = _load(device, TOOLCHAIN).instantiate(stack_size=1024)
    assert instance.validate_app_addr(1000, 104)
    assert not instance.validate_app_addr(1000, 105)
    assert not instance.validate_app_addr(-1, 1)
    assert not instance.validate_app_addr(0xFFFFFFFF, 2)
    assert instance.validate_app_str_addr(1024)
    instance.memory[1090:1104] = b"x" * 14
    assert not instance.validate_app_str_addr(1092)
    assert not instance.validate_app_str_addr(5000)
    native = instance.addr_app_to_native(1024)
    assert bytes(insitu.sim.current().view(native, 5)) == b"hello"
    assert instance.addr_native_to_app(native) == 1024
    assert instance.addr_app_to_native(1104) == 0
    assert instance.addr_native_to_app(native - 2000) == 0
    assert instance.validate_native_addr(native, 80)
    assert not instance.validate_native_addr(native, 81)
    assert instance.get_app_addr_range(5) == (0, 1104)
    assert instance.get_app_addr_range(1104) is None


def test_initial_and_maximum_memory_overridden(device: Device) -> None:
    module = _load(device, GROWING)
    instance = module.instantiate(stack_size=1024, initial_memory=2, max_memory=3)
    assert instance.exports.pages() == 2
    assert [instance.exports.grow(1), instance.exports.grow(1)] == [2, -1]
    with pytest.raises(Error, match="max_memory is 5 pages; the module allows 1 to 4"):
        module.instantiate(max_memory=5)
    with pytest.raises(Error, match="1 pages at first and at most 3"):
        module.instantiate(initial_memory=4, max_memory=3)


def test_growth_in_place_moved_and_refused(device: Device) -> None:
    instance = _load(device, GROWING).instantiate(stack_size=0)
    place = instance.memory_offset()
    assert instance.memory.grow(1) == 1
    assert instance.memory_offset() == place
    env = instance.create_exec_env(1024)
    instance.memory[5] = 55
    assert device.runtime.realloc(0, 64)  # what may grow lies where there is room to grow
    assert env.call("grow", 1) == 2
    assert instance.memory_offset() != place
    assert env.call("load", 5) == 55
    device.runtime.malloc(device.runtime.heap.largest_free())
    used = device.runtime.heap.used()
    assert env.call("grow", 1) == -1
    assert (env.call("load", 5), device.runtime.heap.used()) == (55, used)


def test_memory_in_a_region_of_its_own(device: Device) -> None:
    device.cpu.map_ram(0x2400_0000, 3 * PAGE)
    before = device.runtime.heap.used()
    instance = _load(device, GROWING).instantiate(stack_size=0, memory=(0x2400_0000, 3 * PAGE))
    assert device.runtime.heap.used() - before < 512
    assert instance.memory.grow(2) == 1
    assert instance.addr_app_to_native(0) == 0x2400_0000
    with pytest.raises(Error, match="cannot grow"):
        instance.memory.grow(1)
    instance.deinstantiate()
    assert device.runtime.heap.used() == before
    fixed = _load(device, TOOLCHAIN)
    with pytest.raises(Error, match="the instance needs a region of"):
        fixed.instantiate(stack_size=0, memory=(0x2400_0000, 1000))
    own = fixed.instantiate(stack_size=1024, memory=(0x2400_0000, 2000))
    assert own.exports.load(1024) == ord("h")
    own.deinstantiate()
    assert device.runtime.heap.used() == before


def test_several_exec_envs_on_one_instance(device: Device) -> None:
    instance = _load(device, f"{TOOLCHAIN[:-1]} {DEEP})").instantiate(stack_size=0)
    small, large = instance.create_exec_env(512), instance.create_exec_env(2048)
    assert small.call("load", 1024) == large.call("load", 1025) + ord("h") - ord("e")
    assert large.call("deep", 3) == 3
    assert 0 < large.stack_used() < 512
    with pytest.raises(Error, match="has no exec env"):
        instance.exports.load(1024)
