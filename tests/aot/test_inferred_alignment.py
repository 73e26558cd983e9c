"""The alignment of what is accessed, where addresses are made of constants."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
from insitu.aot import inferred_alignment

_LOOP = """; a module
define i32 @f0(ptr align 8 %inst, i32 %n, i1 %c) {
entry:
  %eights = shl i32 %n, 3
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %j = phi i32 [ %eights, %entry ], [ %three, %loop ]
  %next = add nuw nsw i32 %i, 12
  %three = add i32 %j, 3
  %p = getelementptr i8, ptr %inst, i32 %i
  %twelves = getelementptr i8, ptr %p, i32 1024
  %v = load i32, ptr %twelves, align 1
  %two = getelementptr i8, ptr %p, i32 -6
  store i32 %v, ptr %two, align 1
  %q = getelementptr i32, ptr %inst, i32 %n
  %w = load i32, ptr %q, align 1
  %r = getelementptr i8, ptr %inst, i32 %j
  store i32 %w, ptr %r, align 1
  %even = and i32 %n, -16
  %either = select i1 %c, i32 %even, i32 %eights
  %s = getelementptr i8, ptr %inst, i32 %either
  %x = load i64, ptr %s, align 1
  %t = getelementptr i8, ptr %inst, i32 %n
  %y = load i8, ptr %t, align 1
  br i1 %c, label %loop, label %end
end:
  ret i32 %w
}
"""


def test_what_constants_say() -> None:
    """12 and 1024 are multiples of 4, -6 of 2; an i32's index counts four times; what 3 is added to may be odd."""
    inferred = inferred_alignment.inferred(_LOOP)
    llvm.parse_assembly(inferred).verify()
    found = {place: int(n) for place, n in re.findall(r"ptr %(\w+), align (\d)", inferred)}
    assert found == {"twelves": 4, "two": 2, "q": 4, "r": 1, "s": 8, "t": 1}


def test_what_is_known_already_stays() -> None:
    text = "; a module\ndefine void @f0(ptr %inst, ptr %p) {\n  store i32 0, ptr %p, align 4\n  ret void\n}\n"
    assert inferred_alignment.inferred(text) == text
