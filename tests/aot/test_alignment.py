"""Loads and stores at every address modulo 8, whatever their memarg says, on CPUs that fault on misaligned ones."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.aot import targets
from insitu.aot.memory import LOADS, STORES
from unicorn import unicorn_const

FLASH = 0x10000000
# RISC-V without misaligned accesses; the simulated CPU takes them, so a hook refuses them.
_RV32 = replace(targets.target("rv32imc"), name="rv32imc-aligned", features="+m,+c", unaligned=False)
CPUS = {"cortex-m0plus": "cortex-m0plus", "rv32imc-aligned": "rv32imc"}
MEMORIES = {"fixed": "(memory 1 1)", "grows": '(memory (export "memory") 1 2)'}
WASM = {"i32": "i32", "i64": "i64", "float": "f32", "double": "f64"}
PLACES = (64, 65536 - 24)
BYTES = bytes((37 * i + 129) & 0xFF for i in range(32))


def _variants(width: int) -> list[tuple[int, int]]:
    """Static offset and alignment hint."""
    hints = [1 << n for n in range(width.bit_length())]
    return [(0, hint) for hint in hints] + [(3, width), (width, width)]


def _modules(memory: str) -> str:
    functions = []
    for name, (_, width, _, result) in LOADS.items():
        for offset, hint in _variants(width):
            functions.append(
                f'(func (export "{name} {offset} {hint}") (param i32) (result {WASM[result]})'
                f" ({name} offset={offset} align={hint} (local.get 0)))"
            )
    for name, (_, width, value) in STORES.items():
        for offset, hint in _variants(width):
            functions.append(
                f'(func (export "{name} {offset} {hint}") (param i32 {WASM[value]})'
                f" ({name} offset={offset} align={hint} (local.get 0) (local.get 1)))"
            )
    return f"(module {memory} {' '.join(functions)})"


@pytest.fixture(params=MEMORIES)
def memory(request: pytest.FixtureRequest) -> str:
    return MEMORIES[request.param]


@pytest.fixture(params=CPUS)
def instance(request: pytest.FixtureRequest, memory: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setitem(targets.TARGETS, _RV32.name, _RV32)
    cpu = insitu.sim.install(insitu.sim.Cpu(CPUS[request.param]))
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(_modules(memory))), request.param)
    from insitu import port

    refused = []

    def refuse(uc: Any, access: int, address: int, size: int, value: int, data: Any) -> None:
        if address % size:
            refused.append(f"{size} bytes at {address:#x}")

    cpu.uc.hook_add(unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE, refuse)
    cpu.map_flash(FLASH, image)
    yield port.Runtime(bytearray(300_000)).load(FLASH).instantiate(stack_size=4096)
    assert not refused


def _number(data: bytes, result: str, signed: bool) -> int | float:
    if result in ("float", "double"):
        return float(struct.unpack("<f" if result == "float" else "<d", data)[0])
    return int.from_bytes(data, "little", signed=signed)


def _same(got: float, wanted: float, bits: int) -> bool:
    if isinstance(wanted, float):
        return got == wanted or (math.isnan(got) and math.isnan(wanted))
    return (got - wanted) % (1 << bits) == 0


def test_loads(instance: Any) -> None:
    for place in PLACES:
        instance.memory[place : place + 24] = BYTES[:24]
        for name, (_, width, _, result) in LOADS.items():
            for offset, hint in _variants(width):
                load = getattr(instance.exports, f"{name} {offset} {hint}")
                for at in range(24 - offset - width + 1):
                    data = BYTES[at + offset : at + offset + width]
                    wanted = _number(data, result, name.endswith("_s"))
                    got = load(place + at)
                    bits = 64 if result == "i64" else 32
                    assert _same(got, wanted, bits), (name, offset, hint, at, got, wanted)


def test_stores(instance: Any) -> None:
    for place in PLACES:
        for name, (_, width, value) in STORES.items():
            for offset, hint in _variants(width):
                store = getattr(instance.exports, f"{name} {offset} {hint}")
                for at in range(24 - offset - width + 1):
                    instance.memory[place : place + 24] = BYTES[:24]
                    data = BYTES[at : at + width]
                    store(place + at, _number(data, value, False))
                    wanted = BYTES[: at + offset] + data + BYTES[at + offset + width : 24]
                    assert bytes(instance.memory[place : place + 24]) == wanted, (name, offset, hint, at)


def test_traps_at_the_end_of_memory(instance: Any) -> None:
    from insitu import port

    end = 65536
    for name, (_, width, *_) in {**LOADS, **STORES}.items():
        value = (0.0 if name.startswith("f") else 0,) if "store" in name else ()
        for offset, hint in _variants(width):
            access = getattr(instance.exports, f"{name} {offset} {hint}")
            instance.memory[end - 16 : end] = bytes(16)
            assert access(end - width - offset, *value) in (None, 0)
            for at in (*range(end - width - offset + 1, end + 2), 0x80000001, 0xFFFFFFFE, -1, -width):
                with pytest.raises(port.Trap, match="out of bounds memory access"):
                    access(at, *value)
            assert bytes(instance.memory[end - 16 : end]) == bytes(16)


def test_in_a_module_that_polls() -> None:
    """Polls are placed block by block, in the helpers that go by bytes, too."""
    text = '(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load align=1 (local.get 0))))'
    cpu = insitu.sim.install(insitu.sim.Cpu("cortex-m0plus"))
    from insitu import port

    cpu.map_flash(
        FLASH, aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), "cortex-m0plus", aot.Options(interruptible=True))
    )
    instance = port.Runtime(bytearray(70_000)).load(FLASH).instantiate(stack_size=1024)
    instance.memory.write(5, b"\x01\x02\x03\x04")
    assert instance.exports.f(5) == 0x04030201
