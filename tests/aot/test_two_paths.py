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
