"""Sums of instance pointer and constant at a function's head."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
from insitu.aot import bases


def _function(*lines: str) -> str:
    """Its parameters: the instance pointer, an index i, a condition c."""
    body = "\n".join(f"  {line}" for line in lines)
    return f"; a module\ndefine i32 @f0(ptr %inst, i32 %i, i1 %c) {{\nentry:\n{body}\n}}\n"


TABLE = ("%p = getelementptr i8, ptr %inst, i32 %i", "%q = getelementptr i8, ptr %p, i32 1024")
LOAD = ("%v = load i32, ptr %q, align 1", "ret i32 %v")


def test_a_table_s_base_is_made_first() -> None:
    hoisted = bases.hoist(_function(*TABLE, *LOAD))
    assert hoisted == _function(
        "%insitu.base0 = getelementptr i8, ptr %inst, i32 1024",
        "%p = getelementptr i8, ptr %insitu.base0, i32 %i",
        "%q = getelementptr i8, ptr %p, i32 0",
        *LOAD,
    )
    llvm.parse_assembly(hoisted).verify()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((*TABLE, "%r = getelementptr i8, ptr %p, i32 1016", "store i8 0, ptr %r", *LOAD), "two words of a struct"),
        ((*TABLE, "store i8 0, ptr %p", *LOAD), "accessed without a constant, too"),
        (("%p = getelementptr i8, ptr %inst, i32 %i", "%q = select i1 %c, ptr %p, ptr %inst", *LOAD), "no constant"),
        (("%p = getelementptr i8, ptr %inst, i32 -8", "%q = getelementptr i8, ptr %p, i32 4", *LOAD), "no index"),
    ],
)
def test_what_is_left(lines: tuple[str, ...], why: str) -> None:
    """A struct's fields are within 1020 bytes of each other: 1016 and 1024 are not, 24 and 1016 are."""
    given = _function(*lines).replace("i32 1024", "i32 24" if "struct" in why else "i32 1024")
    assert bases.hoist(given) == given


def test_two_tables_of_one_index() -> None:
    """1024 and 8192 bytes behind the index: no instruction holds both distances."""
    more = ("%r = getelementptr i8, ptr %p, i32 8192", "store i8 0, ptr %r")
    hoisted = bases.hoist(_function(*TABLE, *more, *LOAD))
    assert "%p = getelementptr i8, ptr %insitu.base0, i32 %i" in hoisted
    assert "%r = getelementptr i8, ptr %p, i32 7168" in hoisted
    llvm.parse_assembly(hoisted).verify()


def test_the_most_used_ones_are_hoisted() -> None:
    """A base is a register: of nine tables, the one accessed once stays."""
    lines = [
        line
        for table in range(1, 10)
        for use in range(1 + (table > 1))
        for line in (
            f"%p{table}.{use} = getelementptr i8, ptr %inst, i32 %i",
            f"%q{table}.{use} = getelementptr i8, ptr %p{table}.{use}, i32 {table * 1024}",
            f"store i8 0, ptr %q{table}.{use}",
        )
    ]
    hoisted = bases.hoist(_function(*lines, "ret i32 0"))
    assert "%q1.0 = getelementptr i8, ptr %p1.0, i32 1024" in hoisted
    assert hoisted.count(" ptr %insitu.base") == 16
    llvm.parse_assembly(hoisted).verify()
