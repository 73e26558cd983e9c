"""Source maps; tests/explain/test_programs.py has one of AssemblyScript's compiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wasmtime
from insitu.wasm import source_map
from insitu.wasm.decode import decode
from insitu.wasm.lines import Lines, Place, source_lines

_TEXT = """(module
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (export "two") (result i32) (i32.add (i32.const 2) (i32.const 3)))%s)"""
_NAMED = ' (@custom "sourceMappingURL" "%s")'


def _module(url: str) -> bytes:
    """With the name of a map: a vector's length, and its bytes."""
    length = f"\\{len(url):02x}"
    return bytes(wasmtime.wat2wasm(_TEXT % (_NAMED % (length + url))))


def _map(mappings: object, sources: object = ("a.ts", "b.ts")) -> str:
    return json.dumps({"version": 3, "sources": sources, "names": [], "mappings": mappings})


def _lines(folder: Path, url: str) -> Lines:
    return source_lines(decode(source_map.with_map(_module(url), folder / "app.wasm")))


@pytest.mark.parametrize("url", ["app.wasm.map", "./app.wasm.map", "http://127.0.0.1:8080/maps/app.wasm.map"])
def test_instructions_and_functions_have_lines(tmp_path: Path, url: str) -> None:
    """Digits by hand, of ECMA-426: A 0, C 1, D -1, gB 16, E 2; a column is an offset from the one before."""
    module = decode(_module(url))
    one, two = (function.body for function in module.functions)
    first, second = one[0][2], two[1][2]  # i32.const 1, i32.const 3
    assert first < 64 > second - first
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def digit(value: int) -> str:
        """Of 0 to 511, which are two."""
        return digits[value << 1 & 30 | 32] + digits[value >> 4]

    # a.ts:17; from there, in b.ts, a line before
    (tmp_path / "app.wasm.map").write_text(_map(f"{digit(first)}AgBA,{digit(second - first)}CDE"))
    lines = _lines(tmp_path, url)
    assert lines.at(first) == Place("a.ts", 17)
    assert lines.at(two[0][2]) is None  # what is said of one function is not said of the next
    assert lines.at(second) == lines.at(two[2][2]) == Place("b.ts", 16)
    assert (lines.of_function(0), lines.of_function(1)) == (Place("a.ts", 17), Place("b.ts", 16))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", _map("!AAA"), _map("AZAA"), _map(5), _map("AAAA", 7), _map("AAAA", [None]), _map("gggg")],
)
def test_a_map_that_is_none_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "app.wasm.map").write_text(text)
    assert not [place for place in _lines(tmp_path, "app.wasm.map").places if place]


@pytest.mark.parametrize("url", ["", "none.map", "..", "data:,", "//[", "a%00b"])
def test_a_map_that_is_not_there(tmp_path: Path, url: str) -> None:
    assert source_map.with_map(_module(url), tmp_path / "app.wasm") == _module(url)


def test_what_is_no_module_stays_as_it_is(tmp_path: Path) -> None:
    for data in (b"", b"\0asm", _module("x")[:-3]):
        assert source_map.with_map(data, tmp_path / "app.wasm") == data
