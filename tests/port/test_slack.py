"""What lies behind a truncated memory: to the standard it is memory, and so it is here, or an access traps."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from insitu.aot.plan import LinearMemory
from insitu.port.errors import Trap

from tests.port.conftest import Device

PAGE = 65536
OFFSETS = (0, 1, 7, 31, 32, 33, 63, 64, 200)
WIDTHS = {"8": 1, "16": 2, "32": 4, "": 8}  # of i64's instructions, in bytes
SIZES = (304, 1104, 5000, 40_000, 65_000)


def _text(size: int) -> str:
    """A memory of size bytes with a load and a store of each width and offset."""
    functions = "".join(
        f"""(func (export "load{bits}_{offset}") (param i32) (result i64)
              (i64.load{bits}{"_u" if bits else ""} offset={offset} (local.get 0)))
            (func (export "store{bits}_{offset}") (param i32 i64)
              (i64.store{bits} offset={offset} (local.get 0) (local.get 1)))"""
        for bits in WIDTHS
        for offset in OFFSETS
    )
    return f"""(module (memory (export "memory") 1)
        (global (export "__data_end") i32 (i32.const 16)) (global (export "__heap_base") i32 (i32.const {size}))
        {functions})"""


def _outcome(call: Callable[..., int | None], *arguments: int) -> int | str | None:
    try:
        found = call(*arguments)
    except (Trap, wasmtime.Trap):
        return "trap"
    return None if found is None else found & 0xFFFFFFFFFFFFFFFF


@pytest.mark.parametrize("size", SIZES)
def test_an_access_does_what_it_does_in_the_whole_page_or_traps(device: Device, size: int) -> None:
    """Against wasmtime, whose page is whole; inside of the asked size nothing traps, behind the slack everything."""
    engine = wasmtime.Store()
    whole = wasmtime.Instance(engine, wasmtime.Module(engine.engine, _text(size)), []).exports(engine)
    instance = device.instantiate(_text(size), stack_size=1024)
    some, traps, behind = random.Random(size), 0, 0
    for _ in range(600):
        bits, offset = some.choice(tuple(WIDTHS)), some.choice(OFFSETS)
        first = some.randrange(size - 40, size + 400)
        name = f"{some.choice(('load', 'store'))}{bits}_{offset}"
        arguments = (first - offset, some.randrange(1 << 62))[: 1 + name.startswith("store")]
        found = _outcome(getattr(instance.exports, name), *arguments)
        inside = first + WIDTHS[bits] <= size
        if found == "trap":
            assert not inside, (name, arguments)
            traps += 1
        else:
            assert first + WIDTHS[bits] <= size + 296, (name, arguments)
            assert found == _outcome(lambda *a, f=whole[name]: f(engine, *a), *arguments), (name, arguments)  # type: ignore[operator, misc]
            behind += not inside
    assert traps > 50
    assert behind > 5
    device.runtime.heap.check()


def test_the_host_sees_the_asked_size(device: Device) -> None:
    instance = device.instantiate(_text(1104), stack_size=1024)
    instance.exports.store8_0(1104, 7)
    assert (instance.exports.load8_0(1104), instance.memory_size(), len(instance.memory)) == (7, 1104, 1104)
    for use in (
        lambda: instance.memory[1104],
        lambda: instance.memory.read(1100, 5),
        lambda: instance.memory.view(1100, 5),
    ):
        with pytest.raises((device.port.Error, IndexError)):
            use()
    again = device.instantiate(_text(1104), stack_size=1024)
    assert again.exports.load8_0(1104) == 0


def test_it_begins_as_zeros_where_a_block_was_used_before(device: Device) -> None:
    for _ in range(3):
        instance: Any = device.instantiate(_text(304), stack_size=1024)
        assert [instance.exports.load8_31(at - 31) for at in range(304, 336)] == [0] * 32
        for at in range(304, 336):
            instance.exports.store8_31(at - 31, 255)
        instance.deinstantiate()


@given(st.integers(1, PAGE - 400), st.integers(0, PAGE), st.sampled_from((1, 2, 4, 8)))
def test_limits(size: int, offset: int, width: int) -> None:
    """No access inside traps, none comes further than the slack, and Thumb's CMP holds the number."""
    memory = LinearMemory(True, size, 1, truncated=True).with_slack(PAGE)
    if offset + width > size:
        return
    limit = memory.limit(offset, width)
    assert limit + offset + width >= size
    assert limit + offset + width <= size + memory.slack <= size + 296
    assert limit == memory.limit(offset - offset % 32, 1)
    assert limit == limit >> max(limit.bit_length() - 8, 0) << max(limit.bit_length() - 8, 0)


def test_none_where_there_is_no_room_in_the_page() -> None:
    """To the standard nothing is behind the last page."""
    whole = LinearMemory(True, PAGE, 1)
    assert whole.with_slack(PAGE) == whole
    assert replace(whole, size=PAGE - 40).with_slack(PAGE).slack == 0
