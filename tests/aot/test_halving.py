"""Which loops are known to halve a variable until nothing of it is left."""

from __future__ import annotations

import pytest
from insitu.aot import halving
from insitu.aot.blocks import Blocks

_LOOP = """i32 @f0(i64 %a, i64 %b, i1 %c) {
entry:
  br label %loop

loop:                                             ; preds = %entry, %latch
  %x = phi i64 [ %a, %entry ], [ %y, %latch ]
  %n = phi i64 [ 0, %entry ], [ %m, %latch ]
  %m = add i64 %n, 1
  br i1 %c, label %other, label %latch

other:                                            ; preds = %loop
  br label %latch

latch:                                            ; preds = %loop, %other
  %y = lshr i64 %x, 2
  %z = icmp eq i64 %y, 0
  br i1 %z, label %end, label %loop

end:                                              ; preds = %latch
  ret i32 0
}
"""
_MEMBERS = {"loop", "other", "latch"}
_ON_ONE_WAY = {
    "other:                                            ; preds = %loop\n": "other:\n  %z = icmp eq i64 %x, 0\n",
    "  br label %latch\n": "  br i1 %z, label %end, label %latch\n",
    "  %z = icmp eq i64 %y, 0\n  br i1 %z, label %end, label %loop": "  br label %loop",
}


@pytest.mark.parametrize(
    ("instead", "wanted"),
    [
        ({}, True),
        ({"lshr i64 %x, 2": "udiv i64 %x, 10"}, True),
        ({"lshr i64 %x, 2": "lshr exact i64 %x, 1"}, True),
        ({"lshr i64 %x, 2": "lshr i64 %h, 2", "  %m =": "  %h = lshr i64 %x, 2\n  %m ="}, True),
        ({"icmp eq i64 %y": "icmp eq i64 %x"}, True),
        ({"eq i64 %y, 0": "ult i64 %y, 9"}, True),
        ({"eq i64 %y, 0": "ugt i64 %y, 9", "label %end, label %loop": "label %loop, label %end"}, True),
        ({"eq i64 %y, 0": "ne i64 %y, 0", "label %end, label %loop": "label %loop, label %end"}, True),
        ({"lshr i64 %x, 2": "ashr i64 %x, 2"}, False),  # -1 stays what it is
        ({"lshr i64 %x, 2": "lshr i64 %x, %b"}, False),
        ({"lshr i64 %x, 2": "udiv i64 %x, %b"}, False),
        ({"lshr i64 %x, 2": "lshr i64 %b, 2"}, False),
        ({"lshr i64 %x, 2": "add i64 %x, 2"}, False),
        ({"eq i64 %y, 0": "eq i64 %m, 0"}, False),
        ({"eq i64 %y, 0": "eq i64 %y, 1"}, False),  # it may be 0 without having been 1
        ({"eq i64 %y, 0": "ult i64 %y, 0"}, False),
        ({"eq i64 %y, 0": "ne i64 %y, 0"}, False),
        ({"[ %y, %latch ]": "[ %b, %latch ]"}, False),
        (_ON_ONE_WAY, False),
    ],
)
def test_halving(instead: dict[str, str], wanted: bool) -> None:
    text = _LOOP
    for old, new in instead.items():
        assert old in text
        text = text.replace(old, new)
    assert halving.ends(Blocks(text), "loop", _MEMBERS) == wanted
