"""A memory with a window: accesses and bulk instructions in it, far, and over borders, as wasmtime has them."""

from __future__ import annotations

import random
import struct
from functools import cache
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.aot import far_calls, link, window
from insitu.aot.contract import ARCHITECTURES, ContractError
from insitu.aot.contract import instruction as do
from insitu.aot.contract.elf import Object
from insitu.aot.function import FunctionBuilder
from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.aot.targets import target as named
from insitu.port.xip import layout
from insitu.wasm.decode import decode

from tests.aot import sabotage

PAGE = 65536
_TO_REGISTER = (
    do.WRITE,
    do.COPY,
    do.LOAD,
    do.ADD,
    do.SET,
    do.AND,
    do.SUM,
    do.SHIFT,
    do.BOUND,
    do.INVERT,
    do.SHIFT_RIGHT,
)
_OFFSETS = (0, 5, 47, 48, 300, PAGE)
_LOADS = {
    "i32.load8_s": 1, "i32.load8_u": 1, "i32.load16_s": 2, "i32.load16_u": 2, "i32.load": 4, "i64.load8_s": 1,
    "i64.load16_s": 2, "i64.load32_s": 4, "i64.load32_u": 4, "i64.load": 8, "f32.load": 4, "f64.load": 8,
}  # fmt: skip
_STORES = {
    "i32.store8": 1, "i32.store16": 2, "i32.store": 4, "i64.store8": 1, "i64.store16": 2, "i64.store32": 4,
    "i64.store": 8, "f32.store": 4, "f64.store": 8,
}  # fmt: skip


def _text() -> str:
    functions = []
    for at, offset in enumerate(_OFFSETS):
        for name in _LOADS:
            value = name[:3]
            functions.append(
                f'(func (export "{name} {at}") (param i32) (result {value}) ({name} offset={offset} (local.get 0)))'
            )
        for name in _STORES:
            value = name[:3]
            functions.append(
                f'(func (export "{name} {at}") (param i32 {value}) '
                f"({name} offset={offset} (local.get 0) (local.get 1)))"
            )
    return f"""(module (memory (export "memory") 1 3) (data (i32.const 4090) "over a border") (data $p "passive bytes")
      (func (export "size") (result i32) (memory.size))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
      (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
      (func (export "init") (param i32 i32 i32) (memory.init $p (local.get 0) (local.get 1) (local.get 2)))
      {" ".join(functions)})"""


@cache
def _wasm() -> bytes:
    return bytes(wasmtime.wat2wasm(_text()))


def _address(chance: random.Random, wanted: window.Wanted) -> int:
    """Near what may go wrong: the ends of memory, window, far pages, and 32 bits."""
    page = 128 * chance.randrange(600)
    ends = wanted.low, wanted.low // wanted.page * wanted.page, wanted.high, wanted.high + 64
    border = chance.choice((0, *ends, page, PAGE, 2 * PAGE, 1 << 32))
    return (border + chance.randint(-9, 9) - chance.choice((0, 0, 5, 47, 48, 300))) & 0xFFFFFFFF


def _calls(wanted: window.Wanted, count: int) -> list[tuple[str, list[Any]]]:
    chance, calls = random.Random(wanted.high), []
    for i in range(count):
        address = _address(chance, wanted)
        kind = chance.randrange(20)
        if i == count // 2:
            calls += [("grow", [1]), ("size", []), ("grow", [2])]
        if kind < 9:
            calls.append((f"{chance.choice(list(_LOADS))} {chance.randrange(len(_OFFSETS))}", [address]))
        elif kind < 18:
            name = chance.choice(list(_STORES))
            value = chance.getrandbits(64) if name[0] == "i" else chance.uniform(-1e9, 1e9)
            value = struct.unpack("<f", struct.pack("<f", value))[0] if name[:3] == "f32" else value
            value = value & 0xFFFFFFFF if name[:3] == "i32" else value
            calls.append((f"{name} {chance.randrange(len(_OFFSETS))}", [address, value]))
        elif kind == 18:
            calls.append(("fill", [address, chance.randrange(256), chance.choice((0, 1, 130, 700))]))
        else:
            name, source = chance.choice((("copy", address ^ 140), ("init", 3)))
            calls.append((name, [address, source, chance.choice((0, 1, 8, 10, 400))]))
    return calls


def _said(value: Any, name: str) -> Any:
    if name[0] == "f" and "load" in name:
        return struct.pack("<d", value)
    return value if value is None else value & (0xFFFFFFFF if name[:3] != "i64" else (1 << 64) - 1)


def _pages_are_the_runtime_s(instance: Any) -> None:
    """The table is what the guest's stores cannot reach: each page in it once, in a block that was taken for pages."""
    from insitu.port.store import far

    heap, base, size = instance.runtime.heap, instance.runtime.base, 1 << instance.far_shift
    blocks = [range(base + at, base + at + heap.size_of(at) - size + 1) for at in instance.owned]
    pages = list(far.pages(instance))
    assert len(dict(pages)) == len({address for _, address in pages}) == len(pages)
    assert len(pages) == instance.get(layout.FAR_PAGES) - instance.get(layout.FAR_LEFT)
    assert all(any(address in block for block in blocks) for _, address in pages)
    assert all(page * size < instance.memory_size() for page, _ in pages)


@pytest.mark.parametrize(
    ("target", "low", "high", "page"),
    [
        ("cortex-m0plus", 0, 0, 64),
        ("cortex-m4f", 0, 64, 128),
        ("rv32imc", 0, 1024, 128),
        ("cortex-m3", 0, 4096, 256),
        ("cortex-m0plus", 3000, 5000, 64),
        ("rv32imc", PAGE - 2000, PAGE, 256),
        ("cortex-m4f", 100, 300, 128),
    ],
)
def test_accesses_are_the_standard_s_wherever_the_window_lies(target: str, low: int, high: int, page: int) -> None:
    """Each value, each trap, and all of memory in the end."""
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port

    cpu.map_flash(0x08000000, aot.compile_wasm(_wasm(), target, aot.Options(window=window.Wanted(low, high, page))))
    runtime = port.Runtime(bytearray(400_000))
    ours = runtime.load(0x08000000).instantiate(stack_size=2048)
    store = wasmtime.Store()
    theirs: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, _wasm()), []).exports(store)
    for name, arguments in _calls(window.Wanted(low, high, page), 900):
        try:
            expected = _said(theirs[name](store, *arguments), name)
        except wasmtime.Trap:
            with pytest.raises(port.errors.Trap, match="out of bounds memory access"):
                ours.lookup_function(name)(*arguments)
        else:
            assert _said(ours.lookup_function(name)(*arguments), name) == expected, (name, arguments)
    memory = ours.memory
    assert memory.read(0, memory.size) == bytes(theirs["memory"].read(store))
    runtime.heap.check()
    _pages_are_the_runtime_s(ours)
    used = runtime.heap.used()
    assert used < 60_000  # of 131,072 bytes of memory, some were never written
    ours.deinstantiate()
    assert runtime.heap.used() < used - 4000  # with it all of its pages


def test_a_module_without_a_window_is_built_as_if_there_were_none() -> None:
    """LLVM's options are put back."""
    before = aot.compile_wasm(_wasm(), "cortex-m4f")
    aot.compile_wasm(_wasm(), "cortex-m4f", aot.Options(window=0))
    assert aot.compile_wasm(_wasm(), "cortex-m4f") == before


def test_the_far_routine_is_given_the_instance_pointer_or_the_module_is_not_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def far(f: FunctionBuilder, kind: str, address: str, offset: int, value: str = "") -> str:
        other = f.value("getelementptr i8, ptr %inst, i32 8")
        return far_calls.call(f.plan.target, kind, offset % 48, address, value).replace("%inst", other)

    monkeypatch.setattr(window, "_far", far)
    with pytest.raises(ContractError, match="the runtime is not given the instance pointer"):
        aot.compile_wasm(_wasm(), "cortex-m4f", aot.Options(window=0))


_SABOTAGED = """(module (memory 1) (func $deep (export "deep") (param i32 i64) (result i64)
  (i64.store offset=20 (local.get 0) (local.get 1)) (i32.store8 (i32.const 9) (i32.load16_u (local.get 0)))
  (if (local.get 0) (then (drop (call $deep (i32.load (local.get 0)) (local.get 1)))))
  (i64.add (i64.load (local.get 0)) (local.get 1))))"""


@pytest.mark.parametrize("target", ["cortex-m0plus", "rv32imc"])
def test_sabotage_of_code_with_a_window(target: str) -> None:
    """In the program as if LLVM had written it, in its comparisons, and in each part of the far routine."""
    built = sabotage.build(bytes(wasmtime.wat2wasm(_SABOTAGED)), target, window.Wanted(0, 64))
    built.check()
    written = [*sabotage.frames(built), *sabotage.calls(built), *sabotage.anywhere(built, 7)]
    broken = [(kind, built.in_both(offset, data)) for kind, offset, data in written]
    broken += [(kind, built.in_image(offset, data)) for kind, offset, data in sabotage.changed_branches(built)]
    far = [at for p in built.code.pieces if p.file == link.FAR for at in range(p.offset, p.offset + p.size, 10)]
    assert len(far) > 30
    broken += [("far routine", built.in_image(at, bytes([built.code.data[at] ^ 4]))) for at in far]
    for kind, made in broken:
        with pytest.raises(ContractError):
            made.check()
            pytest.fail(f"{kind} passed")
    assert len({kind for kind, _ in broken}) >= 8


@pytest.mark.parametrize("target", TARGETS)
def test_what_stands_in_for_the_far_routine_changes_its_result_and_no_other_register(target: str) -> None:
    """For LLVM takes it that the routine does the same; what that keeps, the accesses above show."""
    plan = Plan(decode(_wasm()), named(target), aot.Options(window=0))
    made, machine = Object(aot.object_files(plan)[0]), ARCHITECTURES[plan.target.arch]
    section = made.by_name[".insitu_stand_in"]
    code, entries = made.bytes_of(made.sections[section]), [s for s in made.defined[section] if s.function]
    words = {"l": 1, "s": 0, "l64": 2}  # of the result
    assert {entry.name.split("_")[2] for entry in entries} > {"l8s", "l32", "l64", "s8", "s64"}
    for entry in entries:
        kind = entry.name.split("_")[2]
        at, changed = entry.value & ~1, set()
        end = at + entry.size
        while at < end:
            instruction = machine.decode(code, at)
            changed |= {effect[1] for effect in instruction.effects if effect[0] in _TO_REGISTER}
            at += instruction.size
        assert changed == {*machine.arguments[: words.get(kind, words[kind[0]])]}, entry.name


def test_the_window_is_in_what_the_memory_has_at_first_and_whole_pages() -> None:
    for size in (1, 64, 100, 4096, PAGE, 3 * PAGE):
        made = window.plan(size, PAGE)
        assert made.high % window.PAGE == 0
        assert made.highest(0, 8) + 64 <= made.high <= PAGE
        assert made.highest(0, 8) >= min(size - 1, PAGE - 64 - 256)  # near memory's end as Thumb can compare
    for low, high, page in ((100, 5000, 64), (PAGE - 300, PAGE, 256), (PAGE - 70, PAGE, 128), (5000, 70000, 128)):
        made = window.plan(window.Wanted(low, high, page), PAGE)
        assert (made.low % page, made.high % page, made.page) == (0, 0, page)
        assert made.low <= low < made.low + made.near <= high
        assert made.low + made.highest(0, 8) + 64 <= made.high <= PAGE
    assert window.plan(window.Wanted(PAGE, PAGE + 100), PAGE) == window.plan(window.Wanted(0, 0), PAGE) != made
    assert window.plan(4096, 0) == window.plan(0, PAGE) == window.Window(0, 0, 0)
