"""Which loops of LLVM's IR are known to walk through memory."""

from __future__ import annotations

import pytest
from insitu.aot import walks
from insitu.aot.blocks import Blocks

# Blocks behind the loop's head, which has %at; %next is where the next turn begins.
_LOOP = """hidden i32 @f0(ptr %inst, i32 %a0) {{
entry:
  br label %head
head:
  %at = phi i32 [ %a0, %entry ], [ %next, %{latch} ]
{blocks}
end:
  ret i32 0
}}
"""
_SCAN = """  %p = getelementptr i8, ptr %inst, i32 {index}
  %c = load i8, ptr %p, align 1
  %next = add i32 %at, {step}
  %more = icmp ne i8 %c, 0
  br i1 %more, label %head, label %end"""
_SUM = """  %i = {index}
  %p = getelementptr i8, ptr %inst, i32 %i
  %c = load i32, ptr %p, align 4
  %next = add i32 %at, 1
  %more = icmp ne i32 %c, 0
  br i1 %more, label %head, label %end"""
_JUMPS = """  %p = getelementptr i8, ptr %inst, i32 %at
  %c = load i8, ptr %p, align 1
  switch i8 %c, label %on [
    i8 0, label %end
    i8 2, label %jump
  ]
on:
  %behind = add i32 %at, 1
  br label %again
jump:
  %to = zext i8 %c to i32
  br label %again
again:
  %next = phi i32 [ %behind, %on ], [ %to, %jump ]
  br label %head"""
_NOT_ALWAYS = """  %odd = trunc i32 %at to i1
  br i1 %odd, label %read, label %on
read:
  %p = getelementptr i8, ptr %inst, i32 %at
  %c = load i8, ptr %p, align 1
  %more = icmp ne i8 %c, 0
  br i1 %more, label %on, label %end
on:
  %next = add i32 %at, 1
  br label %head"""
_BACK_AND_ON = """  %p = getelementptr i8, ptr %inst, i32 %at
  %c = load i8, ptr %p, align 1
  %back = add i32 %at, -{back}
  %next = add i32 %back, 4
  %more = icmp ne i8 %c, 0
  br i1 %more, label %head, label %end"""


def _found(blocks: str, latch: str = "head") -> walks.Walk | None:
    function = Blocks(_LOOP.format(blocks=blocks, latch=latch))
    members = set(function) - {"entry", "end"}
    return walks.find(function, "head", members)


@pytest.mark.parametrize(("step", "down"), [(1, False), (16, False), (-1, True), (-16, True)])
def test_up_and_down(step: int, down: bool) -> None:
    walk = _found(_SCAN.format(index="%at", step=step))
    assert walk and walk.position == "%at" and (walk.down, walk.step, walk.jumps) == (down, abs(step), {})


def test_a_turn_that_goes_back_a_little() -> None:
    walk = _found(_BACK_AND_ON.format(back=3))
    assert walk and walk.step == 1
    assert _found(_BACK_AND_ON.format(back=4)) is None
    down = _found(_BACK_AND_ON.format(back=5))
    assert down and down.down


def test_jumps_are_known() -> None:
    walk = _found(_JUMPS, "again")
    assert walk and walk.jumps == {("jump", "again"): "%to"}


@pytest.mark.parametrize("index", ["add i32 %at, %a0", "add i32 %a0, %at", "shl i32 %at, 2"])
def test_places_are_made_of_the_position(index: str) -> None:
    assert _found(_SUM.format(index=index))


@pytest.mark.parametrize(
    "blocks",
    [
        _SCAN.format(index="%a0", step=1),  # always the same place
        _SCAN.format(index="%at", step=0),
        _SCAN.format(index="%at", step=1 << 20),  # 2**12 turns come by all addresses, and to the first one again
        _SUM.format(index="shl i32 %at, 30"),  # four turns
        _SUM.format(index="and i32 %at, 255"),
    ],
)
def test_what_may_come_to_the_same_place_again_does_not_walk(blocks: str) -> None:
    assert _found(blocks) is None


def test_each_turn_reads_or_writes() -> None:
    assert _found(_NOT_ALWAYS, "on") is None


_OUTER = """  %first = getelementptr i8, ptr %inst, i32 %at
  %c = load i8, ptr %first, align 1
  %more = icmp ne i8 %c, 0
  br i1 %more, label %inner, label %end
inner:
  %in = phi i32 [ %at, %head ], [ %on, %inner ]
  %p = getelementptr i8, ptr %inst, i32 %in
  %d = load i8, ptr %p, align 1
  %on = add i32 %in, 1
  %again = icmp ne i8 %d, 32
  br i1 %again, label %inner, label %after
after:
  %next = add i32 {from_}, 1
  br label %head"""


def test_a_part_of_a_walk_is_where_that_goes_on() -> None:
    """A text's words; from the first letter of each, again and again, it would be a square of the memory."""
    for from_, goes_on in (("%in", True), ("%on", True), ("%at", False)):
        function = Blocks(_LOOP.format(blocks=_OUTER.format(from_=from_), latch="after"))
        part = walks.find(function, "inner", {"inner"})
        assert part
        walk = walks.find(function, "head", {"head", "inner", "after"}, [part])
        assert bool(walk) == goes_on


def test_a_jump_with_an_end_behind_it_is_none() -> None:
    """Where that is, it is not known how far it came."""
    blocks = _JUMPS.replace(
        "  br label %head", "  %over = icmp eq i32 %next, 9\n  br i1 %over, label %end, label %head"
    )
    assert _found(blocks, "again") is None
