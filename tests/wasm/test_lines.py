"""Source lines of a module's functions and instructions: the expected ones are counted in the source."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.toolchain import to_wasm
from insitu.wasm.decode import decode
from insitu.wasm.lines import Lines, Place, source_lines
from insitu.wasm.module import Module

# Line 3 divides, line 8 is unreachable.
SOURCE = """\
__attribute__((noinline)) static int divided(int a, int b)
{
    return a / b;
}
__attribute__((export_name("f"))) int f(int a, int b)
{
    if (a == 7)
        __builtin_trap();
    return divided(a, b) + 1;
}
"""
_UNREACHABLE, _I32_DIV_S = 0x00, 0x6D


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Module:
    folder = tmp_path_factory.mktemp("lines")
    source, made = folder / "app.c", folder / "app.wasm"
    source.write_text(SOURCE)
    to_wasm(source, made)
    return decode(made.read_bytes())


@pytest.fixture(scope="module")
def lines(module: Module) -> Lines:
    return source_lines(module)


@pytest.mark.parametrize(("name", "line"), [("divided", 1), ("f", 5)])
def test_a_function_is_where_it_is_written(module: Module, lines: Lines, name: str, line: int) -> None:
    (index,) = (i for i, known in module.names.functions.items() if known == name)
    found = lines.of_function(index)
    assert found is not None
    assert (Path(found.file).name, found.line) == ("app.c", line)


@pytest.mark.parametrize(("opcode", "line"), [(_I32_DIV_S, 3), (_UNREACHABLE, 8)])
def test_an_instruction_is_on_the_line_that_it_was_made_of(
    module: Module, lines: Lines, opcode: int, line: int
) -> None:
    places = [lines.at(at) for function in module.functions for code, _, at in function.body if code == opcode]
    assert line in [place.line for place in places if place]


def test_without_dwarf_nothing_is_said(module: Module) -> None:
    stripped = decode(b"\0asm\x01\0\0\0")
    assert source_lines(stripped).at(0) is None


def test_damaged_dwarf_is_no_error(module: Module, lines: Lines) -> None:
    customs = module.customs
    for name in (".debug_info", ".debug_line", ".debug_abbrev"):
        module.customs = [(n, data[: len(data) // 2] if n == name else data, at) for n, data, at in customs]
        try:
            found = source_lines(module)
        finally:
            module.customs = customs
        assert {place for place in found.places if place} <= {place for place in lines.places if place}
        assert all(isinstance(place, Place) for place in found.declared.values())
