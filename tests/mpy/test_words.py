"""Machine code that fills whole words, and is the same otherwise."""

from __future__ import annotations

import pytest
from insitu.mpy.cross import compile_source
from insitu.mpy.read import BYTECODE, NATIVE, VIPER, read
from insitu.mpy.words import in_words

_SOURCE = """
import micropython
@micropython.native
def call(self, {more}):
    return self.first(a)
@micropython.viper
def word(p: ptr32) -> int:
    return p[0]
def plain():
    return 5
"""


@pytest.mark.parametrize("march", ["armv6m", "armv7m", "rv32imc"])
def test_whole_words(march: str) -> None:
    lengths = set()
    for more in ("a", "a, b", "a, b, c", "a, b, c, d"):  # the parameters' names lie behind the code, in a byte each
        data = compile_source(_SOURCE.format(more=more), march, "module.py")
        before, after = read(data).body.walk(), read(in_words(data)).body.walk()
        assert [code.kind for code in before] == [code.kind for code in after] == [BYTECODE, NATIVE, VIPER, BYTECODE]
        for old, new in zip(before, after, strict=True):
            assert new.data[: len(old.data)] == old.data
            assert new.prelude_offset == old.prelude_offset
            assert len(new.data) - len(old.data) == (0 if old.kind == BYTECODE else -len(old.data) % 4)
        lengths.add(len(before[1].data) % 4)
    assert len(lengths) > 2
