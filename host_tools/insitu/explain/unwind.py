"""The calls that led to a place in the code, from what lay on the operand stack and the frames that the map knows.

A function's return address is the last word of its frame. LLVM does not keep it in a function that calls nothing but
the trap, nor in one that never returns: then every call of that function is tried, and those are taken whose own frame
has a return address where one must be, and so on down to the thunk that Python's call began with.
"""

from __future__ import annotations

from collections.abc import Mapping

from insitu.explain.code_map import IMPORT, LIBRARY, STUB, THUNK, Call, Code, CodeMap

_WORD = 4
_MOST_LOST = 8  # return addresses, of one chain
_MOST_GUESSES = 10_000
_ROUTINE = 64  # words that a routine of the library has on the stack at most when it traps in its caller's name

# Calls of one function with frames of one size, one of which it was; none: Python's call of what is above.
Level = tuple[Call, ...]


def unwind(code_map: CodeMap, behind: int, words: Mapping[int, int], unsure: set[Level]) -> list[Level]:
    """What was on the stack, last called first; empty where nothing is known of it.

    behind: where the code that left would go on; 0: where the stub says, which saved that on the stack.
    words: of the stack that may be return addresses: words above the stack pointer, to offset in the image.
    unsure: gets the levels that others fit as well.
    """
    stack = _Stack(code_map, words, unsure)
    if not behind:
        return stack.left(0, _MOST_LOST)
    call = code_map.called.get(behind)
    if call is None:
        return []
    for at in range(_ROUTINE if stack.is_routine(call.callee) else 1):
        if found := stack.follow((call,), at, _MOST_LOST):
            return found
    return [(call,)]


class _Stack:
    def __init__(self, code_map: CodeMap, words: Mapping[int, int], unsure: set[Level]) -> None:
        self.map, self.words, self.unsure = code_map, words, unsure
        self._guesses = _MOST_GUESSES

    def is_routine(self, start: int) -> bool:
        """Whether a routine of the library starts there: of a memory with a window, whose accesses it makes."""
        code = self.map.code_at(start)
        return code is not None and code.kind == LIBRARY

    def left(self, at: int, lost: int) -> list[Level]:
        """From code on that left for the runtime, at being where the stub saved its registers.

        What it did last before it would have returned is a jump to the stub: its own frame is gone then.
        """
        link, end = self.words.get(at + self.map.link // _WORD, 0), at + self.map.saved // _WORD
        call = self.map.called.get(link)
        if call is None:
            return [self._jumps(-1), *self.python(end, lost)] if self._is_stub(link) else []
        callee = self.map.code_at(call.callee)
        rest = self.follow((call,), end, lost)
        return rest if callee is not None and callee.kind == STUB else [self._jumps(call.callee), *rest]

    def _jumps(self, function: int) -> Level:
        """Where the function, or any that Python may call, leaves for the runtime by a jump."""
        found = []
        for call in self.map.calls:
            callee, caller = self.map.code_at(call.callee), self.map.code_at(call.code)
            if not call.tail or callee is None or callee.kind != STUB or caller is None:
                continue
            if caller.start == function or (function == -1 and caller.exposed):
                found.append(call)
        return tuple(found)

    def follow(self, calls: Level, at: int, lost: int) -> list[Level]:
        """From these calls on to the last of Python's; empty where it ends nowhere.

        at: of their frame, in words above the stack pointer; lost: how many return addresses may have been.
        """
        found: list[Level] = []
        while (function := self.map.code_at(calls[0].code)) is not None:
            end = at + calls[0].depth // _WORD
            if function.kind != THUNK:
                found.append(calls)
            behind = self.words.get(end - 1, 0)
            if self._is_stub(behind):
                return [*found, *self.python(end, lost)]
            kept = self.map.called.get(behind)
            if kept is None or kept.callee not in (function.start, -1):
                return self._guessed(found, function, end, lost) if self._may_be_lost(calls[0]) else []
            calls, at = (kept,), end
        return []

    def python(self, end: int, lost: int) -> list[Level]:
        """Python's call, at the end of whose frames the stack was when it was made, and what had called Python."""
        return [(), *self.left(end, lost)]

    def _guessed(self, found: list[Level], function: Code, end: int, lost: int) -> list[Level]:
        """The chain goes on with what may have called the function, at last Python."""
        fitting: list[list[Level]] = []
        for callers in self._callers(function) if lost else []:
            self._guesses -= 1
            if self._guesses > 0 and (rest := self.follow(callers, end, lost - 1)):
                fitting.append(rest)
                if len(fitting) > 1:
                    self.unsure.update(set(fitting[0]) - set(fitting[1]))
                    break
        if fitting:
            return found + fitting[0]
        return [*found, *self.python(end, lost)] if function.exposed else []

    def _may_be_lost(self, call: Call) -> bool:
        """Whether the function need not have kept its return address for this call."""
        callee = self.map.code_at(call.callee)
        return callee is not None and not callee.returns

    def _is_stub(self, offset: int) -> bool:
        """Whether it is in the stub, which called a thunk."""
        code = self.map.code_at(offset)
        return code is not None and code.kind == STUB

    def _callers(self, callee: Code) -> list[Level]:
        """Calls that may be of a function: those that are first. An import's wrapper calls other modules'."""
        found: dict[tuple[int, int], list[Call]] = {}
        for called in (callee.start, -1) if callee.exposed else (callee.start,):
            for call in self.map.calls:
                function = self.map.code_at(call.code)
                if function is None or call.tail or function.kind == IMPORT:
                    continue
                if call.callee == called:
                    found.setdefault((function.start, call.depth), []).append(call)
        return [tuple(calls) for calls in found.values()]
