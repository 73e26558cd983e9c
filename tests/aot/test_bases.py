"""Sums of instance pointer and constant at a function's head."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
from insitu.aot import bases


def _function(*lines: str) -> str:
    """Its parameters: the instance pointer, an index i, a condition c."""
    body = "\n".join(f"  {line}" for line in lines)
    return f"; a module\ndefine i32 @f0(ptr %inst, i32 %i, i1 %c) {{\nentry:\n{body}\n}}\n"


SUM, TABLE = "%p = getelementptr i32, ptr %inst, i32 %i", "%q = getelementptr i8, ptr %p, i32 1024"
LOAD = ("%v = load i32, ptr %q, align 1", "ret i32 %v")


def test_a_table_s_base_is_made_first() -> None:
    hoisted = bases.hoist(_function(SUM, TABLE, *LOAD))
    base = "%insitu.base0 = getelementptr i8, ptr %inst, i32 1024"
    assert hoisted == _function(base, SUM, "%q = getelementptr i32, ptr %insitu.base0, i32 %i", *LOAD)
    llvm.parse_assembly(hoisted).verify()


def test_locations_change_nothing() -> None:
    """The code is the same with them."""
    located = bases.hoist(_function(f"{SUM}, !dbg !1", f"{TABLE}, !dbg !2", *LOAD))
    assert located.replace(", !dbg !1", "").replace(", !dbg !2", "") == bases.hoist(_function(SUM, TABLE, *LOAD))
    assert "%q = getelementptr i32, ptr %insitu.base0, i32 %i, !dbg !2" in located


@pytest.mark.parametrize(
    "lines",
    [
        (SUM, TABLE, "%r = getelementptr i8, ptr %p, i32 1032", "store i8 0, ptr %r"),  # two fields of a struct
        (SUM, "%q = select i1 %c, ptr %p, ptr %inst"),  # no constant
        ("%p = getelementptr i8, ptr %inst, i32 -8", "%q = getelementptr i8, ptr %p, i32 4"),  # no index
    ],
)
def test_what_is_left(lines: tuple[str, ...]) -> None:
    given = _function(*lines, *LOAD)
    llvm.parse_assembly(given).verify()
    assert bases.hoist(given) == given


def test_the_most_used_ones_are_hoisted() -> None:
    """A base is a register: of six tables, the one accessed once stays."""
    lines = [
        line
        for table in range(1, 7)
        for use in range(1 + (table > 1))
        for line in (
            f"%p{table}.{use} = getelementptr i8, ptr %inst, i32 %i",
            f"%q{table}.{use} = getelementptr i8, ptr %p{table}.{use}, i32 {table * 1024}",
            f"store i8 0, ptr %q{table}.{use}",
        )
    ]
    hoisted = bases.hoist(_function(*lines, "ret i32 0"))
    assert "%q1.0 = getelementptr i8, ptr %p1.0, i32 1024" in hoisted
    assert hoisted.count(" ptr %insitu.base") == 10
    llvm.parse_assembly(hoisted).verify()
