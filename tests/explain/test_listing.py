"""A listing has each byte of the code once, and says of instructions what wasmtime's own text of the module does."""

from __future__ import annotations

import re

import pytest
import wasmtime
from insitu import aot
from insitu.errors import InsituError
from insitu.explain.listing import listings, text
from insitu.explain.make import code_map
from insitu.image.read import read

_TEXT = """(module (memory 1)
  (func $table (param i32) (result i32) (block (block (block (br_table 0 1 2 (local.get 0))))
    (return (i32.load (i32.const 70000)))) (i32.const 3))
  (func (export "run") (param i32 i32) (result i32)
    (i32.add (i32.div_u (local.get 0) (local.get 1)) (call $table (local.get 1)))))"""
_TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")


@pytest.mark.parametrize("target", _TARGETS)
def test_each_byte_of_a_function_is_an_instruction_or_data(target: str) -> None:
    made = aot.compile_module(bytes(wasmtime.wat2wasm(_TEXT)), target, located=True)
    known, image = code_map(made), read(made.image)
    for listing in listings(image, known):
        function = listing.function
        if function.kind == "stub":
            continue  # what lies behind its symbols no map tells
        covered = [(line.code, len(line.bytes)) for line in listing.lines]
        covered += [(at, size) for at, size in known.data if function.start <= at < function.start + function.size]
        at = function.start
        for start, size in sorted(covered):
            assert start == at
            at += size
        assert at == function.start + function.size


@pytest.mark.parametrize("target", _TARGETS)
def test_an_instruction_of_the_module_is_named_where_it_is_executed(target: str) -> None:
    made = aot.compile_module(bytes(wasmtime.wat2wasm(_TEXT)), target, located=True)
    (listing,) = listings(read(made.image), code_map(made), ["run"])
    division = "udiv" if target == "cortex-m4f" else "divu" if target == "rv32imc" else "<library helper"
    (line,) = (line for line in listing.lines if division in line.text)
    assert line.spots[0].text == "i32.div_u"
    assert re.search(r"; wasm 0x[0-9a-f]+: i32\.div_u$", "\n".join(text(listing)), re.MULTILINE)


def test_a_name_that_is_not_there_is_refused() -> None:
    made = aot.compile_module(bytes(wasmtime.wat2wasm(_TEXT)), "rv32imc", located=True)
    with pytest.raises(InsituError, match='no code of a function "walk".*; there are: .*run'):
        listings(read(made.image), code_map(made), ["walk"])
