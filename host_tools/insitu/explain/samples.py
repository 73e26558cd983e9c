"""Where a program's time goes on a board: samples of the calls that were open where it polled.

Time, or turns of loops, since the sample before count for each: what ran in between and did not poll counts for it.
"""

from __future__ import annotations

from collections import Counter

from insitu.explain.code_map import CodeMap
from insitu.explain.explain import explain, understand
from insitu.explain.profile import Stack

_OTHER_MODULE, _NO_ROOM = "(another module)", "(stacks that the board had no room for)"


def sampled(code_map: CodeMap, said: str) -> Counter[Stack]:
    """Time, or turns, by stack, of what session/sampler.py says. Raises InsituError where a line is none of its."""
    found: Counter[Stack] = Counter()
    for line in said.splitlines():
        count, _, text = line.partition(" ")
        found[_stack(code_map, text)] += int(count)
    return found


def _stack(code_map: CodeMap, text: str) -> Stack:
    if not text.strip():
        return (_NO_ROOM,)
    stopped = understand(text)
    if stopped.crc != code_map.crc:
        return (_OTHER_MODULE,)
    return tuple(frame.function for frame in reversed(explain(code_map, stopped).frames))
