"""Which window `auto` is, by how a linker laid the module out."""

from __future__ import annotations

import pytest
import wasmtime
from insitu.aot.automatic import Automatic
from insitu.aot.aux_stack import found_or_guessed
from insitu.aot.window import Wanted
from insitu.wasm.decode import decode

_MARKS = '(global (export "__data_end") i32 (i32.const {})) (global (export "__heap_base") i32 (i32.const {}))'


def _module(data: int, length: int, stack: int = 0, marks: tuple[int, int] | None = None) -> bytes:
    pointer = f"(global (mut i32) (i32.const {stack}))" if stack else ""
    shown = _MARKS.format(*marks) if marks else ""
    text = f'(module (memory 2) {pointer} {shown} (data (i32.const {data}) "{"x" * length}"))'
    return bytes(wasmtime.wat2wasm(text))


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        (_module(16384, 100, 16384, (16600, 16608)), Wanted(16384 - 2048, 16600)),  # the stack first, then .bss
        (_module(16384, 100, 16384), Wanted(16384 - 2048, 16484)),  # the same without marks
        (_module(1024, 100, 1024, (1200, 1200)), Wanted(0, 1200)),  # small: from 0, whose code is smaller
        (_module(1024, 500, 5632, (1536, 5632)), Wanted(1024, 5632)),  # data, then the stack
        (_module(1024, 500, 67072, (1536, 67072)), Wanted(67072 - 2048, 67072)),  # and it is large: its end alone
        (_module(1024, 700), Wanted(0, 1724)),  # no stack
        (_module(1024, 40000), Wanted(0, 16384)),
        (bytes(wasmtime.wat2wasm("(module (memory 1))")), Wanted(0, 0)),
    ],
)
def test_by_stack_and_static_data(module: bytes, wanted: Wanted) -> None:
    decoded = decode(module)
    assert Automatic().of(decoded, found_or_guessed(decoded)) == wanted
