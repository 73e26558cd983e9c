"""Where the checks of the operand stack are put, on graphs of every shape."""

from __future__ import annotations

import random
import re

import llvmlite.binding as llvm
from insitu.aot import optimise

_PREFIX = 'target triple = "thumbv7m-none-unknown-eabi"\ndeclare void @insitu_stack_check(ptr)\n'
_OTHER = "\ndefine i32 @f1(ptr %inst, i32 %n) {\nentry:\n  ret i32 %n\n}\n"


def _function(some: random.Random) -> str:
    """Blocks that lead to each other as chance has it, some of which call, with phis wherever ways meet."""
    count = some.randrange(2, 12)
    ways = {n: [some.randrange(1, count) for _ in range(some.choice((0, 1, 2, 2)))] for n in range(count)}
    ways[0] = ways[0] or [1]
    seen, pending = {0}, [0]
    while pending:
        new = set(ways[pending.pop()]) - seen
        seen |= new
        pending += sorted(new)
    text = "define i32 @f0(ptr %inst, i32 %n, i1 %c) {\n"
    for n in sorted(seen):
        text += f"b{n}:\n"
        before = [m for m in sorted(seen) for to in ways[m] if to == n]
        if before:
            text += f"  %p{n} = phi i32 " + ", ".join(f"[ {m}, %b{m} ]" for m in before) + "\n"
        if n == 0:
            text += "  call void @insitu_stack_check(ptr %inst)\n"
        if some.random() < 0.3:
            text += f"  %v{n} = call i32 {some.choice(('@f1', '%inst'))}(ptr %inst, i32 {n})\n"
        to = [f"label %b{m}" for m in ways[n]]
        text += f"  br i1 %c, {to[0]}, {to[1]}\n" if len(to) == 2 else f"  br {to[0]}\n" if to else f"  ret i32 {n}\n"
    return text + "}\n"


def _blocks(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.split("\ndefine i32 @f0(")[1].partition("\n}")[0].split("\n")[1:]:
        if line.endswith(":"):
            found[line[:-1]] = current = []
        else:
            current.append(line)
    return found


def _checks_before_calls(blocks: dict[str, list[str]]) -> set[int]:
    """How many checks are made on ways to each call; on every way to any place there is at most one."""
    numbers: set[int] = set()
    pending, seen = [(next(iter(blocks)), 0)], set()
    while pending:
        block, checks = pending.pop()
        if (block, checks) in seen or block == "insitu.overflow":
            continue
        seen.add((block, checks))
        for line in blocks[block]:
            checks += "read_register" in line
            if re.search(r"call i32 [@%](f1|inst)\(", line):
                numbers.add(checks)
        assert checks <= 1
        pending += [(to, checks) for line in blocks[block] for to in re.findall(r"label %([\w.]+)", line)]
    return numbers


def test_one_check_comes_before_each_call() -> None:
    some, with_calls, moved = random.Random(12), 0, 0
    for _ in range(300):
        text = optimise.add_stack_checks(_PREFIX + _function(some) + _OTHER)
        llvm.parse_assembly(text).verify()
        blocks = _blocks(text)
        numbers = _checks_before_calls(blocks)
        assert numbers in ({1}, set())
        assert bool(numbers) == ("read_register.i32(metadata" in text.partition("\n}")[0])
        with_calls += bool(numbers)
        moved += bool(numbers) and "read_register" not in "".join(blocks["b0"])
    assert with_calls > 100 and moved > 20


def test_the_end_of_a_recursion_makes_no_check() -> None:
    recursion = """define i32 @f0(ptr %inst, i32 %n, i1 %c) {
entry:
  call void @insitu_stack_check(ptr %inst)
  br i1 %c, label %more, label %end
more:
  %less = call i32 @f0(ptr %inst, i32 %n, i1 %c)
  br label %end
end:
  %result = phi i32 [ %n, %entry ], [ %less, %more ]
  ret i32 %result
}
"""
    blocks = _blocks(optimise.add_stack_checks(_PREFIX + recursion))
    assert "read_register" not in "".join(blocks["entry"]) and "read_register" in "".join(blocks["more"])
