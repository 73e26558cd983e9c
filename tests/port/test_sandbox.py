"""Issue 7: each way out of the sandbox, and each wrong answer of the device, that was once found; by its number."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import insitu.port
import pytest
import wasmtime
from insitu import aot
from insitu.aot.targets import TARGETS
from insitu.port.xip import layout
from insitu.wasm.errors import Unsupported

PORT = str(Path(str(insitu.port.__file__)).parent)
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
    """1.2: start and serve keep 31 bits of a request, as the object of a small int."""
    from insitu.port import platform
    from insitu.port.run.enter import half

    code = _RETURNS["rv32" if device.target == "rv32imc" else "arm"]
    for data, kept in zip(code, (-0x40000000, 0), strict=True):
        stub = platform.address_of(device.put(data)) + platform.code_bit()
        ram = device.cpu.memory.map_buffer(256)
        platform.view(ram + layout.ENV_CELL, 4)[:] = (ram + layout.ENV_SIZE).to_bytes(4, "little")
        state = [half(stub), half(ram), half(ram), half(ram), 0, 0, (), 0]
        function = SimpleNamespace()
        function.plan = function, lambda _: "left", None, None, state, half(stub), half(stub), 0, 2
        assert platform.start(function) == "left"
        assert state[5] == kept
        assert kept or platform.serve(state, -1) == 0


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
    from insitu.port.host import telemetry
    from insitu.telemetry.decode import check_sums, decode, owners

    snapshot = decode(telemetry.snapshot(runtime))
    check_sums(snapshot)
    assert sum(owners(snapshot).values()) == runtime.heap.used()
    instance.deinstantiate()
    assert blocks == first
    runtime.destroy()
    assert blocks == {}


# --- 1.3 ---

# What Python can call while the operand stack is nearly full: leaves with the largest frames, with library helpers
# below them, a thunk with many arguments, a request out of a leaf, an import, a function that calls others.
_LOCALS = 14
_PARAMETERS = 12
NESTED = f"""(module (import "env" "again" (func $again (param i32) (result i32))) (export "again" (func $again))
  (memory 1 2)
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (else (call $again (i32.const 0)))))
  (func (export "leaf") (result i64) {"(local i64)" * _LOCALS}
    {"".join(f"(local.set {i} (i64.load (i32.const {8 * i})))" for i in range(_LOCALS))}
    {"".join(f"(i64.store (i32.const {8 * i}) (i64.mul (local.get {i}) (local.get {i // 2})))" for i in range(_LOCALS))}
    (i64.div_s (local.get 1) (i64.const 7)))
  (func (export "divide") (param f64 f64) (result f64) (f64.sqrt (f64.div (local.get 0) (local.get 1))))
  (func (export "many") {"(param i64)" * _PARAMETERS} (result i64)
    (i64.add (local.get 0) (i64.rem_u (local.get {_PARAMETERS - 1}) (i64.const 10))))
  (func (export "grow") (result i32) (memory.grow (i32.const 0)))
  (func (export "trap") unreachable))"""
# Where no large frame makes the guard large.
SMALL_LEAVES = """(module (import "env" "again" (func $again (param i32) (result i32))) (export "again" (func $again))
  (memory 1 2)
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (else (call $again (i32.const 0)))))
  (func (export "grow") (result i32) (memory.grow (i32.const 0))))"""
_CALLS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "leaf": ((), 0),
    "divide": ((8.0, 2.0), 2.0),
    "many": ((1,) * _PARAMETERS, 2),
    "grow": ((), 1),
    "again": ((5,), 5),
}


class Canaries:
    """Blocks of a pattern on both sides of an exec env, and the words that lie right below its operand stack."""

    def __init__(self, device: Any, instance: Any, stack_size: int) -> None:
        runtime = self.runtime = device.runtime
        self.view, self.reserve = device.cpu.view, TARGETS[device.target].exception_frame
        self.blocks = [runtime.alloc(64, "a canary")]
        self.env = instance.create_exec_env(stack_size)
        self.blocks.append(runtime.alloc(64, "a canary"))
        for block in self.blocks:
            self.view(runtime.base + block, 64)[:] = b"\x5a" * 64
        self.words = self._words()

    def _words(self) -> list[int]:
        env = self.view(self.runtime.base + self.env.offset, layout.ENV_SIZE)
        fields = (layout.ENV_LIMIT, layout.ENV_START_INSTANCE, layout.ENV_CELL, layout.ENV_BOTTOM, layout.ENV_TOP)
        return [struct.unpack_from("<I", env, field)[0] for field in (*fields, layout.ENV_SP)]

    def check(self) -> None:
        """Nothing is changed, after all calls have ended."""
        for block in self.blocks:
            assert bytes(self.view(self.runtime.base + block, 64)) == b"\x5a" * 64
        assert self._words() == self.words
        assert self.env.stack_used() + self.reserve <= self.env.stack_size  # an interrupt may come at any moment
        self.runtime.heap.check()

    def free(self) -> None:
        """All of it."""
        self.env.destroy()
        for block in self.blocks:
            self.runtime.heap.free(block)


@pytest.mark.parametrize("text", [NESTED, SMALL_LEAVES], ids=["large leaves", "small leaves"])
def test_1_3_a_callback_on_a_nearly_full_operand_stack_fits_or_traps(device: Any, text: str) -> None:
    """1.3: at every depth, with stacks that differ by 8 bytes: the leaf's frame, below thunk and saved registers."""
    outcomes: dict[str, set[bool]] = {called: set() for called in _CALLS if f'"{called}"' in text}
    name = [""]

    def again(number: int) -> int:
        if number:
            return number
        arguments, expected = _CALLS[name[0]]
        try:
            assert canaries.env.call(name[0], *arguments) == expected
            outcomes[name[0]].add(True)
        except device.port.Trap as trap:
            assert (trap.message, trap.function) == ("wasm operand stack overflow", name[0])
            outcomes[name[0]].add(False)
        return 0

    instance = device.instantiate(text, stack_size=0, imports={"env": {"again": again}})
    least = device.runtime.guard + 400
    for stack_size in range(least, least + 32, 8):
        canaries = Canaries(device, instance, stack_size)
        for called in outcomes:
            name[0] = called
            for depth in range(100):
                try:
                    assert canaries.env.call("down", depth) == depth
                except device.port.Trap as trap:
                    assert trap.message == "wasm operand stack overflow"
                    break
                canaries.check()
            else:
                pytest.fail("the operand stack has no end")
            canaries.check()
        canaries.free()
    assert all(found == {True, False} for found in outcomes.values()), outcomes


def test_1_3_callbacks_in_each_other_end_in_a_trap(device: Any) -> None:
    """1.3: Python calls back from every level, until the operand stack is full."""
    depths = []

    def again(number: int) -> int:
        depths.append(number)
        return int(canaries.env.call("again", number + 1))

    instance = device.instantiate(NESTED, stack_size=0, imports={"env": {"again": again}})
    for stack_size in range(2000, 2064, 8):
        canaries = Canaries(device, instance, stack_size)
        with pytest.raises(device.port.Trap, match='"wasm operand stack overflow" in function'):
            canaries.env.call("again", 0)
        assert canaries.env.busy == 0
        canaries.check()
        canaries.free()
    assert max(depths) > 5


# --- 1.9 ---


def test_1_9_compiled_code_is_not_entered_while_it_runs(device: Any) -> None:
    """1.9: what an interrupt's handler would call; the runtime cell says that compiled code runs."""
    from insitu.port.xip.raw import poke

    seen = []

    def again(number: int) -> int:
        seen.append(number)
        return int(instance.exports.again(number - 1)) if number else 7

    instance = device.instantiate(NESTED, imports={"env": {"again": again}})
    runtime, call = device.runtime, device.cpu.call
    assert instance.exports.again(2) == 7
    poke(runtime.base, runtime.cell + layout.CELL_EXEC_ENV, instance.exec_env.address)
    for _ in range(3):
        with pytest.raises(device.port.Error, match="compiled code is running"):
            instance.exports.leaf()
    poke(runtime.base, runtime.cell + layout.CELL_EXEC_ENV, 0)
    assert (instance.exports.leaf(), instance.exec_env.busy, device.cpu.call) == (0, 0, call)
    assert instance.exports.again(0) == 7


def test_1_9_an_exception_s_handler_does_not_enter(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """1.9: Cortex-M says so itself; between start and the entry nothing else would show it."""
    from unicorn import arm_const

    if device.target == "rv32imc":
        pytest.skip("RISC-V has no register that says whether an interrupt's handler runs")
    instance = device.instantiate(NESTED, imports={"env": {"again": lambda n: n}})
    call = device.cpu.call

    def in_handler(*arguments: int) -> int:
        device.cpu.uc.reg_write(arm_const.UC_ARM_REG_IPSR, 15)
        try:
            return int(call(*arguments))
        finally:
            device.cpu.uc.reg_write(arm_const.UC_ARM_REG_IPSR, 0)

    monkeypatch.setattr(device.cpu, "call", in_handler)
    with pytest.raises(device.port.Error, match="an interrupt or another thread cannot call"):
        instance.exports.leaf()
    monkeypatch.setattr(device.cpu, "call", call)
    assert instance.exports.leaf() == 0


def test_1_9_an_interrupt_before_the_first_request_is_served_leaves_the_stack_as_it_was(
    device: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.9: KeyboardInterrupt between start and the first import left the stack pointer low, for good."""
    from insitu.port import platform

    serve = platform.serve

    def interrupted(*_: Any) -> None:
        monkeypatch.setattr(platform, "serve", serve)
        raise KeyboardInterrupt

    def again(number: int) -> int:
        if number == 5:
            monkeypatch.setattr(platform, "serve", interrupted)
            with pytest.raises(KeyboardInterrupt):
                instance.exports.down(3)
        return number

    instance = device.instantiate(NESTED, stack_size=1024, imports={"env": {"again": again}})
    for _ in range(40):
        monkeypatch.setattr(platform, "serve", interrupted)
        with pytest.raises(KeyboardInterrupt):
            instance.exports.down(3)
        assert instance.exports.again(5) == 5
    assert instance.exports.down(10) == 10
    assert instance.exec_env.busy == 0


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_1_9_a_heap_in_bytes_is_refused(device: Any, kind: Any) -> None:
    """1.9: what cannot be written, in flash perhaps; the same for a linear memory's region."""
    with pytest.raises(device.port.Error, match="cannot be written: give a bytearray"):
        device.port.Runtime(heap=kind(b"\0" * 4096))
    with pytest.raises(device.port.Error, match="cannot be written: give a bytearray"):
        device.load(GROWS).instantiate(memory=kind(b"\0" * 200_000))


def test_1_9_two_runtimes_do_not_share_memory(device: Any) -> None:
    """1.9: two runtimes over one buffer, or over parts of it that overlap."""
    heap_error = device.port.Error
    buffer = bytearray(8192)
    first = device.port.Runtime(heap=buffer)
    address = device.cpu.addressof(buffer)
    for again in (buffer, (address, 8192), (address + 4096, 8192), (address - 4088, 4096), (address + 8184, 4096)):
        with pytest.raises(heap_error, match=r"another runtime has this memory: destroy\(\) it first"):
            device.port.Runtime(heap=again)
    with pytest.raises(heap_error, match="a runtime's heap is there"):
        device.load(GROWS).instantiate(memory=(address, 200_000))
    first.heap.check()
    first.destroy()
    device.port.Runtime(heap=(address, 4096)).destroy()
    forgotten = device.port.Runtime(heap=(address + 4096, 4096))
    device.cpu.view(address, 8192)[:] = bytes(8192)  # collected, and given out again
    device.port.Runtime(heap=buffer).heap.check()
    assert forgotten.heap is not None


def test_1_9_two_linear_memories_do_not_share_a_region(device: Any) -> None:
    """1.9: memory= of two instances."""
    region = device.cpu.memory.map_buffer(300_000)
    module = device.load(GROWS)
    first = module.instantiate(memory=(region, 150_000))
    with pytest.raises(device.port.Error, match="the linear memory of another instance is there"):
        module.instantiate(memory=(region + 149_992, 150_000))
    second = module.instantiate(memory=(region + 150_000, 150_000))
    assert (first.exports.grow(1), second.exports.grow(1)) == (1, 1)
    first.deinstantiate()
    module.instantiate(memory=(region, 150_000))


# --- 1.4 ---

CALLER = """(module (import "env" "call" (func $call)) (memory (export "memory") 1 3)
  (table (export "table") 2 9 funcref) (global (export "global") (mut i32) (i32.const 5))
  (func (export "go") (call $call))
  (func (export "seven") (result i32) (i32.const 7)))"""
LARGER = f"""(module (memory 1) (func (export "wide") (result i64) {"(local i64)" * 60}
    {"".join(f"(local.set {i} (i64.load (i32.const {8 * i})))" for i in range(60))}
    {"".join(f"(i64.store (i32.const {8 * i}) (i64.mul (local.get {i}) (local.get {i // 2})))" for i in range(60))}
    (local.get 1)))"""


def _inside(device: Any, text: str, action: Any) -> tuple[Any, list[BaseException]]:
    """An instance of text whose export "go" calls action out of its import env.call; what that raised."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            action()
        except device.port.Error as error:
            raised.append(error)

    return device.instantiate(text, imports={"env": {"call": call}}), raised


def test_1_4_a_module_with_a_larger_guard_is_not_loaded_while_code_runs(device: Any) -> None:
    """1.4: code that is running was checked against the smaller guard."""
    image = device.put(device.image(LARGER))
    caller, raised = _inside(device, CALLER, lambda: device.runtime.load(image))
    guard = device.runtime.guard
    caller.exports.go()
    assert len(raised) == 1
    assert isinstance(raised[0], device.port.LoadError)
    assert "load it first" in str(raised[0])
    assert (device.runtime.guard, len(device.runtime.modules)) == (guard, 1)
    device.runtime.load(image)  # nothing runs now
    assert device.runtime.guard > guard
    raised.clear()
    caller.exports.go()  # it is large enough already
    assert raised == []


def test_1_4_the_hint_is_true(device: Any) -> None:
    """1.4: loaded first, the module runs inside of an import."""
    wide = device.load(LARGER)
    values = []
    caller, raised = _inside(device, CALLER, lambda: values.append(wide.instantiate().exports.wide()))
    caller.exports.go()
    assert (values, raised) == ([0], [])


# --- 1.5 ---


def test_1_5_an_instance_whose_function_was_given_through_a_re_export_stays(device: Any) -> None:
    """1.5: the table of the running instance has C's function, given by Python out of B's exports."""
    runtime = device.runtime
    c = device.instantiate('(module (func (export "f") (result i32) (i32.const 42)))')
    b = device.instantiate('(module (import "c" "f" (func $f (result i32))) (export "f" (func $f)))', imports={"c": c})
    text = """(module (import "env" "call" (func $call)) (table (export "table") 2 funcref)
      (func (export "go") (result i32) (local funcref)
        (local.set 0 (table.get (i32.const 0))) (call $call) (table.set (i32.const 1) (local.get 0))
        (call_indirect (result i32) (i32.const 1))))"""
    d, raised = _inside(device, text, lambda: c.deinstantiate())
    d.exports.table[0] = b.exports.f
    assert (c.given, b.given) == (True, False)
    b.deinstantiate()
    assert d.exports.go() == 42
    assert len(raised) == 1
    assert "may hold a function of it" in str(raised[0])
    c.deinstantiate()
    assert d.exports.table[0] is None
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        d.exports.go()
    assert runtime.instances == [None, None, d]


# --- 1.6 ---


@pytest.mark.parametrize("name", ["memory", "table"])
@pytest.mark.parametrize(
    ("count", "error"),
    [(-2, ValueError), (-1 << 70, ValueError), (1.0, TypeError), ("1", TypeError), (None, TypeError)],
)
def test_1_6_growth_by_less_than_nothing_is_refused(device: Any, name: str, count: Any, error: Any) -> None:
    """1.6: memory.grow(-2) out of Python was accepted, and what the code relies on was gone."""
    instance = device.instantiate(CALLER, imports={"env": {"call": print}})
    thing = getattr(instance.exports, name)
    with pytest.raises(error):
        thing.grow(count)
    for many in (1 << 20, 1 << 31, 1 << 70):
        with pytest.raises(device.port.OutOfHeap, match="cannot grow"):
            thing.grow(many)
    assert (instance.memory.pages, instance.memory_size(), len(instance.exports.table)) == (1, 65536, 2)
    assert thing.grow(1) in (1, 2)


# --- 1.7 ---


def test_1_7_handles_of_a_destroyed_instance_reach_nothing(device: Any) -> None:
    """1.7: not the bytes where it was, and not the instance that has its place and its number now."""
    module = device.load(CALLER)
    imports = {"env": {"call": lambda: None}}
    old = module.instantiate(imports=imports)
    exports, env = old.exports, old.exec_env
    memory, table, glob, seven, bound = exports.memory, exports.table, exports.__getattr__("global"), exports.seven, old
    old.deinstantiate()
    new = module.instantiate(imports=imports)
    assert (new.id, new.pointer) == (old.id, old.pointer)
    before = bytes(device.cpu.view(device.runtime.base + new.block, new.pointer - new.block))

    def assign(thing: Any, key: Any, value: Any) -> None:
        if isinstance(key, str):
            setattr(thing, key, value)
        else:
            thing[key] = value

    for use in (
        lambda: exports.go,
        lambda: seven(),
        lambda: seven.name,
        lambda: env.call("seven"),
        lambda: env.call(seven),
        lambda: env.stack_used(),
        lambda: new.exec_env.call(seven),
        lambda: assign(new.exports.table, 0, seven),
        lambda: glob.value,
        lambda: glob.type,
        lambda: assign(glob, "value", 77),
        lambda: len(memory),
        lambda: memory.pages,
        lambda: memory.size,
        lambda: memory[0],
        lambda: assign(memory, 0, 77),
        lambda: assign(memory, slice(0, 2), b"xx"),
        lambda: memory.view(0, 4),
        lambda: memory.read(0, 4),
        lambda: memory.write(0, b"x"),
        lambda: memory.grow(0),
        lambda: memory.grow(1),
        lambda: len(table),
        lambda: table.type,
        lambda: table[0],
        lambda: assign(table, 0, None),
        lambda: table.grow(1),
        lambda: bound.memory,
        lambda: bound.lookup("seven"),
        lambda: bound.lookup_function("seven"),
        lambda: bound.create_exec_env(1024),
        lambda: bound.memory_size(),
        lambda: bound.aux_stack(),
        lambda: bound.module_malloc(4),
        lambda: bound.module_free(4),
        lambda: bound.module_realloc(4, 8),
        lambda: module.instantiate(imports={"env": {"call": seven}}),
    ):
        with pytest.raises((device.port.Error, TypeError), match=r"destroyed|another instance"):
            use()
    assert not bound.validate_app_addr(0, 1)
    assert (bound.addr_app_to_native(0), bound.addr_native_to_app(0x20000000), bound.get_app_addr_range(0)) == (
        0,
        0,
        None,
    )
    assert not bound.validate_native_addr(device.runtime.base, 4)
    bound.deinstantiate()
    env.destroy()
    assert bytes(device.cpu.view(device.runtime.base + new.block, new.pointer - new.block)) == before
    assert (new.exports.seven(), new.exports.__getattr__("global").value, new.memory[0]) == (7, 5, 0)


def test_1_7_handles_of_a_destroyed_runtime_and_an_unloaded_module_reach_nothing(device: Any) -> None:
    """1.7: the same for what is not an instance."""
    runtime = device.runtime
    module, image = device.load(CALLER), device.put(device.image(CALLER))
    module.unload()
    for use in (lambda: module.instantiate(), lambda: module.find_export("go"), lambda: module.export_names()):
        with pytest.raises(device.port.Error, match="the module was unloaded"):
            use()
    module.unload()
    instance = runtime.load(image).instantiate(imports={"env": {"call": lambda: None}})
    seven, other = instance.exports.seven, instance.module
    runtime.destroy()
    runtime.destroy()
    for use in (
        lambda: runtime.load(image),
        lambda: runtime.malloc(8),
        lambda: runtime.aligned_alloc(8, 64),
        lambda: runtime.realloc(0, 8),
        lambda: runtime.free(runtime.base + 64),
        lambda: runtime.mem_alloc_info(),
        lambda: other.instantiate(),
        lambda: seven(),
        lambda: instance.memory,
    ):
        with pytest.raises(device.port.Error, match="was destroyed|was unloaded"):
            use()


# --- 1.8 ---


@pytest.mark.parametrize("operation", ["destroy", "unload", "deinstantiate", "exec env"])
def test_1_8_nothing_is_destroyed_inside_of_an_import(device: Any, operation: str) -> None:
    """1.8: Runtime.destroy freed some instances and raised then."""
    runtime = device.runtime
    bystander = device.instantiate(CALLER, imports={"env": {"call": lambda: None}})
    unused = device.load("(module)")
    caller, raised = _inside(device, CALLER, lambda: actions[operation]())
    actions = {
        "destroy": runtime.destroy,
        "unload": unused.unload,
        "deinstantiate": caller.deinstantiate,
        "exec env": caller.exec_env.destroy,
    }
    used = runtime.heap.used()
    caller.exports.go()
    assert [type(error) for error in raised] == [device.port.Error]
    assert "running" in str(raised[0])
    assert (runtime.heap.used(), runtime.instances, len(runtime.modules)) == (used, [bystander, caller], 3)
    assert (caller.exports.seven(), bystander.exports.seven()) == (7, 7)
    actions[operation]()
    assert runtime.heap is None or runtime.heap.used() <= used


# --- 2: growth ---


def test_2_the_first_growth_of_an_ordinary_instance_is_in_place(make_device: Any) -> None:
    """2: the operand stack lay right behind linear memory: 1 to 2 pages needed a heap of 199 KB."""
    device = make_device(2 * 65536 + 3072)
    instance = device.instantiate(GROWS, stack_size=2048)
    place = instance.memory_offset()
    instance.memory[65535] = 9
    assert instance.exports.grow(1) == 1
    assert (instance.memory_offset(), instance.memory[65535], instance.exports.size()) == (place, 9, 2)
    assert instance.exports.grow(1) == -1
    device.runtime.heap.check()


def test_2_growth_stays_in_place_whatever_else_is_made(make_device: Any) -> None:
    """2: exec envs, fixed instances, tables and the program's own blocks take the other end of the heap."""
    device = make_device(1_000_000)
    runtime = device.runtime
    instance = device.instantiate(GROWS)
    place, kept = instance.memory_offset(), []
    for pages in range(1, 6):
        kept.append(instance.create_exec_env(2048))
        kept.append(device.load("(module (memory 1 1) (table 3 9 funcref))").instantiate())
        kept.append(runtime.malloc(100 * pages))
        assert instance.exports.grow(1) == pages
        assert instance.memory_offset() == place
    kept.pop(0).destroy()
    runtime.free(kept.pop(1))
    assert instance.exports.grow(1) == 6
    assert instance.memory_offset() == place
    runtime.heap.check()


def test_2_of_several_growing_instances_all_grow(make_device: Any) -> None:
    """2: the one that was made last in place, the others by moving behind it."""
    device = make_device(900_000)
    module = device.load(GROWS)
    instances = [module.instantiate(stack_size=1024) for _ in range(3)]
    places = [instance.memory_offset() for instance in instances]
    for k, instance in enumerate(instances):
        instance.memory[100] = k + 1
    assert [instance.exports.grow(1) for instance in instances[::-1]] == [1, 1, 1]
    assert instances[2].memory_offset() == places[2]
    assert [(instance.memory[100], instance.memory.pages) for instance in instances] == [(1, 2), (2, 2), (3, 2)]
    device.runtime.heap.check()


# --- found by reading on ---


def _interrupted_at_every_line(run: Any, check: Any, prepare: Any = lambda: None) -> int:
    """Run again and again, with a KeyboardInterrupt before another line of port/ each time; how many lines there are.

    Not inside of machine code, viper's and native's, which MicroPython does not interrupt.
    """

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PORT) or "sim/micropython" in frame.f_back.f_code.co_filename:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return trace

    for line in range(1, 2000):
        prepare()
        left = [line]
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            run()
        except KeyboardInterrupt:
            sys.settrace(before)
            check()
            continue
        finally:
            sys.settrace(before)
        return line
    raise AssertionError("it has no end")


BIG = """(module (memory (export "memory") 1 200) (table (export "table") 2 5000 funcref) (elem (i32.const 0) $f $f)
  (func $f (result i32) (i32.const 42))
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func (export "last") (result i32) (i32.load8_u (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))))
  (func (export "first") (result i32) (i32.load8_u (i32.const 0)))
  (func (export "size") (result i32) (table.size 0))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""


@pytest.mark.parametrize("kind", ["pool", "system"])
def test_an_interrupt_at_any_line_of_growth_leaves_nothing_free_in_use(make_device: Any, kind: str) -> None:
    """KeyboardInterrupt between the free of the old block and the new place: compiled code used what was free."""
    device = make_device(40_000_000)
    runtime = device.runtime if kind == "pool" else device.port.Runtime()
    module = runtime.load(device.put(device.image(BIG)))
    instance = module.instantiate(stack_size=1024)
    exports, table = instance.exports, instance.exports.table
    call, first, last, size = exports.call, exports.first, exports.last, exports.size

    def used() -> set[int]:
        return {offset for offset, _, free in runtime.heap.walk() if not free}

    def check() -> None:
        runtime.heap.check()
        from insitu.port.store.table import entries, tables_apart

        places = used()
        assert instance.memory_offset() in places
        assert all(block in places for block in tables_apart(instance))
        assert instance.memory_offset() == instance.memory_block or first() in (0, 9)
        assert (call(0), call(1), last()) == (42, 42, 0)
        for i in range(size()):
            if i > 1:
                with pytest.raises(device.port.Trap, match="uninitialized element"):
                    call(i)
        assert entries(instance, 0)

    grown = [0, 0]

    def grow_memory() -> None:
        runtime.heap.realloc(0, 64)
        instance.memory.grow(1)
        grown[0] += 1

    def grow_table() -> None:
        runtime.heap.realloc(0, 64)
        table.grow(1)
        grown[1] += 1

    assert _interrupted_at_every_line(grow_memory, check) > 10
    assert _interrupted_at_every_line(grow_table, check) > 10
    check()
    assert grown == [1, 1]


def test_an_interrupt_at_any_line_of_the_end_leaves_nothing_free_in_use(make_device: Any) -> None:
    """KeyboardInterrupt in deinstantiate: handles find the instance gone, or whole; at worst a block is lost."""
    device = make_device(60_000_000)
    module = device.load(BIG)
    made: list[Any] = []

    def make() -> None:
        made.append(module.instantiate(stack_size=1024))
        made[-1].memory[0] = 9
        made[-1].exports.table.grow(3)

    def check() -> None:
        device.runtime.heap.check()
        places = {offset for offset, _, free in device.runtime.heap.walk() if not free}
        for instance in [*made, *(i for i in device.runtime.instances if i is not None)]:
            if instance.block:
                assert instance.block in places
            for env in instance.exec_envs:
                assert not env.offset or env.offset in places
        for instance in module.instances[:]:
            instance.deinstantiate()

    assert _interrupted_at_every_line(lambda: made[-1].deinstantiate(), check, make) > 50
    assert device.runtime.instances == module.instances == []
