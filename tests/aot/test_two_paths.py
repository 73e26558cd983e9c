"""Loops and fields that lie over a window's end: what the slow path does is what wasmtime does, wherever it begins."""

from __future__ import annotations

import random
import struct
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.port.errors import Trap

from tests.port.test_implied_checks import FUNCTIONS

WINDOW = 1024
_FROM, _TO = WINDOW - 60, WINDOW + 400  # where the window's RAM ends, and the first far pages
_TEXT = f"""(module (memory (export "memory") 1 2) {"".join(FUNCTIONS)})"""


def _data(chance: random.Random) -> tuple[bytes, int]:
    """A list of nodes anywhere in it, among strings; the address of its first."""
    data = bytearray(chance.choices((0, 2, 3, 8), (1, 9, 9, 9), k=_TO - _FROM))
    places = chance.sample(range(0, len(data) - 8, 8), 9)
    for at, following in zip(places, [*places[1:], -_FROM], strict=True):
        struct.pack_into("<II", data, at, _FROM + following, chance.getrandbits(32))
    return bytes(data), _FROM + places[0]


@pytest.mark.parametrize("target", ["cortex-m4f", "rv32imc"])
def test_loops_and_fields_over_the_window_s_end(target: str) -> None:
    wasm, chance, traps = bytes(wasmtime.wat2wasm(_TEXT)), random.Random(13), 0
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port

    cpu.map_flash(0x08000000, aot.compile_wasm(wasm, target, aot.Options(window=WINDOW)))
    instance = port.Runtime(bytearray(120_000)).load(0x08000000).instantiate(stack_size=1024)
    store = wasmtime.Store()
    theirs: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    for name in [text.split('"')[1] for text in FUNCTIONS] * 5:
        data, head = _data(chance)
        first = head if name == "chase" else chance.choice((chance.randint(_FROM + 20, _TO - 90), 65533, -2))
        second = _TO - 80 if name == "copy" else chance.choice((1, 2, 6, 30))
        instance.memory.write(_FROM, data)
        theirs["memory"].write(store, data, _FROM)
        try:
            expected = theirs[name](store, first, second)
        except wasmtime.Trap:
            traps += 1
            with pytest.raises(Trap, match="out of bounds memory access"):
                getattr(instance.exports, name)(first, second)
        else:
            assert getattr(instance.exports, name)(first, second) & 0xFFFFFFFF == expected & 0xFFFFFFFF, (name, first)
        assert instance.memory.read(0, 2048) == theirs["memory"].read(store, 0, 2048), (name, first, second)
    assert traps > 2


_OPERATIONS = ("add", "sub", "and", "or", "xor", "xchg")


def _atomics() -> str:
    """A function for each instruction that reads and writes, with operands below its own on the stack."""
    text = []
    for width in ("", "8", "16"):
        signed = "_u" if width else ""
        name = f"i32.atomic.rmw{width}"
        text += [
            f"""(func (export "{operation}{width}") (param i32 i32 i32) (result i32)
              (i32.xor (local.get 2) ({name}.{operation}{signed} offset=4 (local.get 0) (local.get 1))))"""
            for operation in _OPERATIONS
        ]
        text.append(f"""(func (export "cmpxchg{width}") (param i32 i32 i32) (result i32)
          (i32.xor (local.get 2) ({name}.cmpxchg{signed} offset=4 (local.get 0) (local.get 1) (local.get 2))))""")
    return "".join(text)


@pytest.mark.parametrize("window", [0, 64])
@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
def test_atomic_instructions_that_read_and_write(target: str, window: int) -> None:
    """In the window, far, and where they trap, whichever of the two accesses is the first that is not in it."""
    wasm = bytes(wasmtime.wat2wasm(f'(module (memory (export "memory") 1) {_atomics()})'))
    chance, config = random.Random(window), wasmtime.Config()
    config.wasm_threads = True
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port

    cpu.map_flash(0x08000000, aot.compile_wasm(wasm, target, aot.Options(window=window)))
    instance = port.Runtime(bytearray(60_000)).load(0x08000000).instantiate(stack_size=1024)
    store = wasmtime.Store(wasmtime.Engine(config))
    theirs: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)
    data = chance.randbytes(512)
    instance.memory.write(0, data)
    theirs["memory"].write(store, data, 0)
    for name in [f"{operation}{width}" for width in ("", "8", "16") for operation in (*_OPERATIONS, "cmpxchg")] * 6:
        at = chance.choice((0, 4, 56, 60, 120, 124, 128, 400, 401, 65528, 65532, -4, chance.randrange(0, 500, 4)))
        here = int.from_bytes(instance.memory.read(at + 4, 4), "little") if 0 <= at < 500 else 0
        operand = chance.choice((chance.getrandbits(31), here & 0xFF, here & 0xFFFF, here & 0x7FFFFFFF))
        arguments = at, operand, chance.getrandbits(31)
        try:
            expected = theirs[name](store, *arguments)
        except wasmtime.Trap as trap:
            text = "unaligned atomic" if "unaligned" in str(trap) else "out of bounds memory access"
            with pytest.raises(Trap, match=text):
                getattr(instance.exports, name)(*arguments)
        else:
            assert getattr(instance.exports, name)(*arguments) & 0xFFFFFFFF == expected & 0xFFFFFFFF, (name, arguments)
        assert instance.memory.read(0, 1024) == theirs["memory"].read(store, 0, 1024), (name, arguments)
