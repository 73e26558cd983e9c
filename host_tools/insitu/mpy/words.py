"""Machine code in whole words, as it must be to be frozen: MicroPython's tools/mpy-tool.py (MPRawCodeNative.freeze) has
one function's behind the other's, and of those the compiler for RISC-V aligns the first alone."""

from __future__ import annotations

import dataclasses

from insitu.mpy.read import BYTECODE, RawCode, read
from insitu.mpy.write import write

_WORD = 4


def in_words(data: bytes) -> bytes:
    """A .mpy file with each function's machine code, and what MicroPython keeps behind it, filled up to a word.

    Raises MpyError.
    """
    module = read(data)
    return write(dataclasses.replace(module, body=_filled(module.body)))


def _filled(code: RawCode) -> RawCode:
    missing = 0 if code.kind == BYTECODE else -len(code.data) % _WORD
    return dataclasses.replace(code, data=code.data + bytes(missing), children=tuple(map(_filled, code.children)))
