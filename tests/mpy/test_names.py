"""Names that cost nothing: what a source does stays the same."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from insitu.mpy import names
from insitu.mpy.names import shortened
from insitu.places import CHECKOUT

_SOURCE = """
LIMIT = 3
sort = 5

def _scaled(amount, factor=LIMIT):
    def inner(amount, other):
        return amount * other + factor + sort
    return inner(amount, 2), amount

class _Pair:
    def __init__(self, left, right):
        self.left, self.right = left, right

    def total(self, extra):
        return self.left + self.right + extra

def public(value, *rest):
    return _scaled(value), _Pair(value, 2).total(7), rest

def __getattr__(name):
    return name

@micropython.asm_thumb
def registers(r0, r1):
    add(r0, r0, r1)
"""


def test_results_are_the_same() -> None:
    short = ast.unparse(shortened(ast.parse(_SOURCE)))
    for name in ("_scaled", "_Pair", "amount", "factor", "other", "extra", "value"):
        assert name not in short
    assert "def __getattr__(" in short
    assert "def registers(r0, r1):\n    add(r0, r0, r1)" in short
    assert _result(_SOURCE) == _result(short) == ((16, 4), 13, (5, 6))


def _result(source: str) -> Any:
    space: dict[str, Any] = {}
    exec(source.partition("@micropython")[0], space)
    return space["public"](4, 5, 6)


def test_kept_names_stay() -> None:
    short = ast.unparse(shortened(ast.parse(_SOURCE), keep=("factor", "_Pair")))
    assert "factor=LIMIT" in short
    assert "class _Pair:" in short


_LIST = CHECKOUT / "build" / "micropython-1.25.0" / "py" / "makeqstrdata.py"


@pytest.mark.skipif(not _LIST.exists(), reason="MicroPython's sources are another checkout")
def test_the_names_are_micropython_s() -> None:
    """Those that .mpy files count on, whatever the firmware."""
    listed = _LIST.read_text().partition("static_qstr_list = ")[2].partition("\n]")[0] + "\n]"
    assert set(names._KNOWN) <= set(ast.literal_eval(listed))
