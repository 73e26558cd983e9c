"""Where a program's instructions go: counted on the simulated CPU, by function and by the calls that led to it.

Blocks of code are counted as Unicorn enters them, each for the calls that were open then: a call is where a function
begins, and it is over where control is behind the call again with the stack pointer as it was. What LLVM inlined counts
for the function that it was in the module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from unicorn import unicorn_const

from insitu.explain.code_map import CodeMap
from insitu.session.sampler import MICROSECONDS
from insitu.sim.count import lengths
from insitu.sim.cpu import Cpu

_ENTER, _LEFT, _TRAPPED = "insitu_enter", "insitu_host_call", "insitu_trap"  # the stub's (aot/stubs/)
Stack = tuple[str, ...]  # names, the outermost first


# Of each function that is open, where it starts and where it goes on that called it: offsets in the image.
Starts = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Open:
    """A call that is not over. Attributes: behind, sp: what its end is known by; stack: all that are open."""

    behind: int
    sp: int
    stack: Starts


@dataclass(slots=True)
class Profile:
    """Attributes: weights: by the functions that were open, the last of them the one that ran; unit: of a weight."""

    weights: Counter[Stack] = field(default_factory=Counter)
    unit: str = "instructions"

    def rows(self) -> list[tuple[str, int, int]]:
        """Name, weight of its own, and with what it called; the most first."""
        own: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        for stack, count in self.weights.items():
            own[stack[-1]] += count
            for name in set(stack):
                whole[name] += count
        return sorted(((name, own[name], whole[name]) for name in whole), key=lambda row: (-row[1], -row[2], row[0]))

    def speedscope(self, name: str) -> dict[str, Any]:
        """For https://www.speedscope.app, and what else reads its files: a weight for each stack, no order of time."""
        frames: dict[str, int] = {}
        samples, weights = [], []
        for stack, count in sorted(self.weights.items()):
            samples.append([frames.setdefault(function, len(frames)) for function in stack])
            weights.append(count)
        return {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "name": name,
            "shared": {"frames": [{"name": function} for function in frames]},
            "profiles": [
                {
                    "type": "sampled",
                    "name": f"{name}: {self.unit}",
                    "unit": self.unit if self.unit == MICROSECONDS else "none",
                    "startValue": 0,
                    "endValue": sum(weights),
                    "samples": samples,
                    "weights": weights,
                }
            ],
        }


@contextmanager
def profiling(cpu: Cpu, code_map: CodeMap, address: int) -> Iterator[Profile]:
    """Count what is executed inside of the image that lies at an address; complete at the end."""
    watch, profile = _Watch(cpu, code_map, address), Profile()
    cpu.uc.ctl_flush_tb()
    hook = cpu.uc.hook_add(unicorn_const.UC_HOOK_BLOCK, watch.on_block)
    try:
        yield profile
    finally:
        cpu.uc.hook_del(hook)
        cpu.uc.ctl_flush_tb()
        profile.weights = watch.instructions()


class _Watch:
    def __init__(self, cpu: Cpu, code_map: CodeMap, address: int) -> None:
        self.cpu, self.map, self.address = cpu, code_map, address
        self.end = address + max(code.start + code.size for code in code_map.code)
        self.starts = {code.start: code.name for code in code_map.code}
        self.names: dict[int, str] = {}  # of the functions that blocks are in
        self.open: list[_Open] = []
        self.blocks: Counter[tuple[Starts, int, int]] = Counter()  # by open functions, address and size

    def on_block(self, uc: Any, address: int, size: int, data: Any) -> None:
        """Unicorn is about to execute a block."""
        if not self.address <= address < self.end:
            return
        at = address - self.address
        if at in self.starts:
            self._begin(at)
        elif at in self.map.called or not self._is(-1, self._name(at)):
            self._return(address)
        if self.open:
            self.blocks[self.open[-1].stack, at, size] += 1

    def _name(self, at: int) -> str:
        if at not in self.names:
            self.names[at] = self.map.name_at(at)
        return self.names[at]

    def _begin(self, at: int) -> None:
        """A function is called, or jumped to."""
        registers = self.cpu.registers()
        sp = registers["sp"]
        if self.starts[at] == _ENTER:
            self._enter()
        else:
            while self.open and self.open[-1].sp <= sp and not self._is(-1, _ENTER):
                self.open.pop()  # it was jumped from
        stack = self.open[-1].stack if self.open else ()
        behind = registers["link"] & ~self.cpu.code_bit
        self.open.append(_Open(behind, sp, (*stack, (at, behind - self.address))))

    def _enter(self) -> None:
        """Python calls, or goes on where code left for it; what is not open above that any more was left by a trap."""
        left = [number for number in range(len(self.open)) if self._is(number, _LEFT)]
        del self.open[left[-1] + 1 if left and not self._is(-1, _TRAPPED) else 0 :]

    def _return(self, address: int) -> None:
        """Behind a call: the end of one that is open, unless control came there in another way."""
        sp = self.cpu.registers()["sp"]
        for number in reversed(range(len(self.open))):
            if (self.open[number].behind, self.open[number].sp) == (address, sp):
                del self.open[number:]
                return

    def _is(self, number: int, name: str) -> bool:
        return bool(self.open) and self.starts[self.open[number].stack[-1][0]] == name

    def instructions(self) -> Counter[Stack]:
        found: Counter[Stack] = Counter()
        for (stack, at, size), times in self.blocks.items():
            names = tuple(name for called in stack for name in self._names(*called))
            if names[-1] != self._name(at):  # the stub's own jump, to where code is left
                names += (self._name(at),)
            for offset in self._instructions(at, size):
                found[names + self._inlined(offset)] += times
        return found

    def _names(self, start: int, behind: int) -> Stack:
        """A function, and before it what is inlined where it was called."""
        call = self.map.called.get(behind)
        return (*(self._inlined(call.code) if call else ()), self.starts[start])

    def _inlined(self, offset: int) -> Stack:
        return tuple(self.map.functions[spot.function][0] for spot in reversed(self.map.spots_at(offset)[:-1]))

    def _instructions(self, at: int, size: int) -> Iterator[int]:
        code = self.cpu.view(self.address + at, size)
        for length in lengths(code, bool(self.cpu.code_bit)):
            yield at
            at += length
