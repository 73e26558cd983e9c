"""Two values that a loop carries and that differ by a constant."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest
from insitu.aot import twin_phis

LOOP = """; a module
define i32 @f0(ptr %inst, i32 %i, i1 %c) {{
entry:
  %first = add i32 %i, 1
  br label %loop
loop:
  %pc = phi i32 [ %i, %entry ], [ {earlier}, %more ]
  %next = phi i32 [ %first, %entry ], [ {later}, %more ]
  %p = getelementptr i8, ptr %inst, i32 %pc
  %v = load i8, ptr %p, align 1
  %q = getelementptr i8, ptr %p, i32 1
  %w = load i8, ptr %q, align 1
  br i1 %c, label %more, label %end
more:
  %pc.2 = add nuw nsw i32 %pc, 2
  %pc.3 = add nuw nsw i32 %pc, 3
  br label %loop
end:
  ret i32 %pc
}}
"""


def test_the_later_one_stays() -> None:
    joined = twin_phis.joined(LOOP.format(earlier="%pc.2", later="%pc.3"))
    llvm.parse_assembly(joined).verify()
    assert joined.count(" = phi ") == 1
    for line in (
        "%pc = add i32 %next, -1",
        "%insitu.twin.p = getelementptr i8, ptr %inst, i32 %next",
        "%p = getelementptr i8, ptr %insitu.twin.p, i32 -1",
        "%q = getelementptr i8, ptr %inst, i32 %next",
        "%pc.2 = add i32 %next, 1",
    ):
        assert f"\n  {line}\n" in joined


def test_locations_change_nothing() -> None:
    given = LOOP.format(earlier="%pc.2", later="%pc.3").split("\n")
    located = "\n".join(f"{line}, !dbg !1" if " = " in line else line for line in given)
    assert twin_phis.joined(located).replace(", !dbg !1", "") == twin_phis.joined("\n".join(given))


def test_values_with_numbers() -> None:
    """Their numbers are in the order of the lines."""
    given = LOOP.format(earlier="%pc.2", later="%pc.3").replace("%p,", "%0,").replace("%p ", "%0 ")
    llvm.parse_assembly(given).verify()
    joined = twin_phis.joined(given)
    llvm.parse_assembly(joined).verify()
    assert "%0 = getelementptr i8, ptr %insitu.twin.0, i32 -1" in joined
    unnamed = given.replace("%pc ", "%0 ").replace("%pc,", "%0,").replace("%pc\n", "%0\n")
    assert twin_phis.joined(unnamed) == unnamed


@pytest.mark.parametrize(("earlier", "later"), [("%pc.2", "%pc.2"), ("%pc", "%pc.3"), ("7", "9"), ("%i", "%next")])
def test_others_are_left(earlier: str, later: str) -> None:
    given = LOOP.format(earlier=earlier, later=later)
    llvm.parse_assembly(given).verify()
    assert twin_phis.joined(given) == given
