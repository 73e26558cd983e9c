"""Atomic accesses, wait and notify: results, traps and memory against wasmtime's."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest
import wasmtime
from insitu.port.errors import Error, LinkError, Trap
from insitu.wasm.opcodes import OPCODES, is_atomic
from insitu.wasm.types import ValType

from tests.port.conftest import Device

ACCESSES = {
    row.name: row for code, row in OPCODES.items() if is_atomic(code) and row.params and row.name[:6] != "memory"
}
OFFSET = 5
# With the offset: aligned; misaligned for all but bytes; the last pair of words; behind the end, aligned or not; 2**32.
ADDRESSES = (3, 0, 65536 - 8 - OFFSET, 65536 - OFFSET, 65537 - OFFSET, 2**32 - OFFSET)
FILLING = bytes(range(0x70, 0x90))  # some of it negative
VALUES = (0x0123456789ABCDEF, -1)
TRAPS = {
    "HEAP_MISALIGNED": "unaligned atomic",
    "MEMORY_OUT_OF_BOUNDS": "out of bounds memory access",
    "ATOMIC_WAIT_NON_SHARED_MEMORY": "expected shared memory",
}


def _function(name: str) -> str:
    row = ACCESSES[name]
    assert row.params is not None
    params, results = " ".join(t.name for t in row.params), " ".join(t.name for t in row.results or ())
    arguments = " ".join(f"(local.get {i})" for i in range(len(row.params)))
    return f'(func (export "{name}") (param {params}) (result {results}) ({name} offset={OFFSET} {arguments}))'


MODULE = f"""(module (memory (export "memory") 1)
  {"".join(map(_function, ACCESSES))}
  (func (export "fence") (atomic.fence))
  (func (export "wait") (param i32) (result i32)
    (memory.atomic.wait32 offset=4 (local.get 0) (i32.const 0) (i64.const 0)))
  (func (export "notify") (param i32) (result i32) (memory.atomic.notify offset=4 (local.get 0) (i32.const 1))))"""


def _arguments(name: str, address: int, value: int) -> list[int]:
    """What a cmpxchg expects is there at the first address, and nowhere with bits beside it."""
    row = ACCESSES[name]
    assert row.params is not None
    there = int.from_bytes(FILLING[8 : 8 + row.width], "little")
    operands = [there if value < 0 else there | 1 << 31, value] if "cmpxchg" in name else [value]
    return [address, *(_as(t, v) for t, v in zip(row.params[1:], operands, strict=False))]


def _as(t: ValType, value: int) -> int:
    bits = int(t.name[1:])
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


class _Wasmtime:
    def __init__(self) -> None:
        self.store = wasmtime.Store()
        self.exports = wasmtime.Instance(self.store, wasmtime.Module(self.store.engine, MODULE), []).exports(self.store)

    def fill(self, at: int) -> None:
        self.exports["memory"].write(self.store, FILLING, at)

    def memory(self) -> bytes:
        return bytes(self.exports["memory"].read(self.store, 0, 65536))

    def call(self, name: str, *arguments: int) -> Any:
        try:
            return self.exports[name](self.store, *(_as(ValType.i64, a) for a in arguments))
        except wasmtime.Trap as trap:
            assert trap.trap_code is not None
            return TRAPS[trap.trap_code.name]


def _call(instance: Any, name: str, *arguments: int) -> Any:
    try:
        return getattr(instance.exports, name)(*arguments)
    except Trap as trap:
        return trap.message


def test_accesses(device: Device) -> None:
    instance, other = device.instantiate(MODULE), _Wasmtime()
    for at in (0, 65536 - len(FILLING)):
        instance.memory.write(at, FILLING)
        other.fill(at)
    for name in ACCESSES:
        for address in ADDRESSES:
            for value in VALUES:
                arguments = _arguments(name, address, value)
                assert _call(instance, name, *arguments) == other.call(name, *arguments), (name, arguments)
        instance.memory.write(0, FILLING)
        assert bytes(instance.memory.read(0, 65536))[32:] == other.memory()[32:], name
        other.fill(0)


def test_a_memory_that_is_not_shared(device: Device) -> None:
    instance, other = device.instantiate(MODULE), _Wasmtime()
    for name in ("wait", "notify"):
        for address in (0, 1, 65532, 65533):
            assert _call(instance, name, address) == other.call(name, address), (name, address)
    assert _call(instance, "fence") is None


SHARED = """(module (memory (export "memory") 1 2 shared)
  (func (export "wait32") (param i32 i32 i64) (result i32)
    (memory.atomic.wait32 offset=4 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "wait64") (param i32 i64 i64) (result i32)
    (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "notify") (param i32 i32) (result i32)
    (memory.atomic.notify offset=4 (local.get 0) (local.get 1))))"""


def test_waiting_alone(device: Device) -> None:
    """Another value, a timeout that is honoured, a wait that could never end."""
    instance = device.instantiate(SHARED)
    instance.memory.write(0, struct.pack("<IIQ", 0, 5, 1 << 40))
    assert instance.exports.wait32(0, 4, -1) == 1
    assert instance.exports.wait64(0, 0, -1) == 1  # its low word is the same
    start = time.monotonic()
    assert instance.exports.wait32(0, 5, 20_000_000) == 2
    assert time.monotonic() - start >= 0.02
    assert instance.exports.wait64(0, 1 << 40, 0) == 2
    with pytest.raises(Error, match="deadlock: code waits at address 4 without a timeout"):
        instance.exports.wait32(0, 5, -1)
    assert instance.exports.notify(0, -1) == 0
    with pytest.raises(Trap, match="unaligned atomic"):
        instance.exports.wait64(4, 0, 0)


def test_a_shared_memory_is_imported_as_one(device: Device) -> None:
    shared = device.instantiate(SHARED)
    plain = device.instantiate('(module (memory (export "memory") 1 2))')
    takes = '(module (memory (import "m" "memory") 1 2{}) (func (export "at") (result i32) (i32.load (i32.const 8))))'
    of_shared, of_plain = device.load(takes.format(" shared")), device.load(takes.format(""))
    shared.memory[8] = 7
    assert of_shared.instantiate(imports={"m": shared}).exports.at() == 7
    with pytest.raises(LinkError, match="must be a shared memory, a memory that is not shared given"):
        of_shared.instantiate(imports={"m": plain})
    with pytest.raises(LinkError, match="must be a memory that is not shared, a shared memory given"):
        of_plain.instantiate(imports={"m": shared})
