"""A trap, or a place in the code, in words: functions, lines, instructions, and the calls that led there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby

from insitu.errors import InsituError, printable
from insitu.explain.code_map import Call, CodeMap, Spot
from insitu.explain.unwind import Level, unwind
from insitu.port.traps import MESSAGES
from insitu.port.xip import layout

# What Trap.dump() gives (port/run/trapped.py), and what a Trap says of itself (port/errors.py).
_DUMP = re.compile(r"insitu-trap ([0-9a-f]{8}) (\d+) ([0-9a-f]+)((?: [0-9a-f]+:[0-9a-f]+)*)")
_TRAP = re.compile(r'"([^"]+)"(?: in function ".*")? at code offset (0x[0-9a-f]+)')
_OFFSET = re.compile(r"\s*(0x[0-9a-fA-F]+|\d+)\s*")

# Instructions that trap so, by their names.
_TRAPPING = {
    layout.TRAP_UNREACHABLE: r"unreachable",
    layout.TRAP_OUT_OF_BOUNDS_MEMORY: r".*\.(load|store|atomic)|memory\.",
    layout.TRAP_INTEGER_OVERFLOW: r".*\.div_s|.*\.trunc_",
    layout.TRAP_INTEGER_DIVIDE_BY_ZERO: r".*\.(div|rem)_",
    layout.TRAP_INVALID_CONVERSION: r".*\.trunc_",
    layout.TRAP_INDIRECT_CALL_TYPE: r"call_indirect",
    layout.TRAP_UNDEFINED_ELEMENT: r"call_indirect",
    layout.TRAP_UNINITIALIZED_ELEMENT: r"call_indirect",
    layout.TRAP_OUT_OF_BOUNDS_TABLE: r"table\.",
    layout.TRAP_AUX_STACK_OVERFLOW: r"global\.set",
    layout.TRAP_AUX_STACK_UNDERFLOW: r"global\.set",
    # where the loop polled
    layout.TRAP_TERMINATED: r".*",
    layout.TRAP_TIMEOUT: r".*",
    layout.TRAP_FUEL: r".*",
    layout.TRAP_UNALIGNED_ATOMIC: r".*\.atomic\.",
    layout.TRAP_EXPECTED_SHARED_MEMORY: r"memory\.atomic\.",
}
# Where LLVM knows that what follows always traps, the trap is this instruction's.
_CONTROL = r"br|if|select"


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a device said of where code stopped.

    Attributes:
        message: the trap's; "" for a mere place.
        offset: in the image, behind the call that did not return; 0: the stack says it.
        words: of the operand stack, see unwind.
        crc: the image's; None: not told.
    """

    message: str
    offset: int
    words: Mapping[int, int] = field(default_factory=dict)
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A function of the module that was running.

    Attributes:
        function: its name; code: offset in the image.
        spots: the instruction, or those that it may have been, as checks share a trap; none: not known.
        inlined: whether LLVM made it a part of the next frame's function.
        from_python: whether Python called it.
        sure: whether no other call of it fits what was on the stack.
    """

    function: str
    code: int
    spots: tuple[Spot, ...] = ()
    inlined: bool = False
    from_python: bool = False
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """Attributes: message: the trap's, or ""; frames: last called first."""

    message: str
    frames: list[Frame] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """For a person."""
        if self.message:
            yield f"trap: {self.message}"
        number = 0
        for frame, again in groupby(self.frames):
            times = len(list(again))
            mark = "inlined in" if number and self.frames[number - 1].inlined else f"{number:3}"
            first, *others = [_described(spot) for spot in frame.spots] or [""]
            yield printable(f"{mark} {frame.function}{first and ' '}{first} (code {frame.code:#x})")
            yield from (printable(f"     or {other}") for other in others)
            if not frame.sure:
                yield "     or another call that fits what was on the stack: it was of a function that never returns"
            if times > 1:
                yield f"     and {times - 1} times more"
            number += times
            if frame.from_python and number < len(self.frames):
                yield "    Python, called by"


def _described(spot: Spot) -> str:
    return f"{spot.place and f'at {spot.place}, '}wasm {spot.offset:#x}: {spot.text}"


def understand(text: str) -> Stopped:
    """What a pasted text says: the line of Trap.dump(), a trap's, or an offset. Raises InsituError for others."""
    if found := _DUMP.search(text):
        crc, kind, offset, words = found.groups()
        if int(kind) >= len(MESSAGES):
            raise InsituError(f"the line is of a trap of kind {kind}, and there are {len(MESSAGES)}: it is damaged")
        pairs = [pair.split(":") for pair in words.split()]
        stack = {int(at, 16): int(word, 16) for at, word in pairs}
        return Stopped(MESSAGES[int(kind)], int(offset, 16), stack, int(crc, 16))
    if found := _TRAP.search(text):
        return Stopped(found[1], int(found[2], 16))
    if found := _OFFSET.fullmatch(text):
        return Stopped("", int(found[1], 0))
    raise InsituError(
        f"{text!r} says no place: give a code offset, as 0x4844, a trap's text with one, or the line that "
        "Trap.dump() gives"
    )


def explain(code_map: CodeMap, stopped: Stopped) -> Explanation:
    """What is known of where code stopped. Raises InsituError where it was another image's, or no code is there."""
    if stopped.crc not in (None, code_map.crc):
        raise InsituError(
            f"the trap is of an image with CRC {stopped.crc:#010x}, the map of one with {code_map.crc:#010x}: "
            "take the map that `insitu build` wrote with the image on the board"
        )
    unsure: set[Level] = set()
    levels = unwind(code_map, stopped.offset, stopped.words, unsure)
    if not levels:
        return Explanation(stopped.message, _place(code_map, stopped.offset))
    frames = _trapped(code_map, levels[0], stopped.message) if levels[0] else []
    for calls in levels[1:]:
        if calls:
            callers = _frames(code_map, calls[0].code, [code_map.spots_at(call.code) for call in calls])
            frames += [replace(frame, sure=calls not in unsure) for frame in callers]
        elif frames:
            frames[-1] = replace(frames[-1], from_python=True)
    return Explanation(stopped.message, frames)


def _place(code_map: CodeMap, offset: int) -> list[Frame]:
    if code_map.code_at(offset) is None:
        raise InsituError(f"at offset {offset:#x} the image has no code of a function")
    return _frames(code_map, offset, [code_map.spots_at(offset)])


def _trapped(code_map: CodeMap, calls: tuple[Call, ...], message: str) -> list[Frame]:
    """The function that trapped at one of these calls, and those of its instructions that may have."""
    kind = _TRAPPING.get(MESSAGES.index(message), "") if message else ".*"
    if not kind:  # no instruction's: the operand stack was full when the function began
        return [Frame(code_map.name_at(calls[0].code), calls[0].code)]
    decided = [(call, place) for call in calls for place in code_map.traps.get(call.code, [call.code])]
    known = [(call, chain) for call, place in decided if (chain := code_map.spots_at(place))]
    fitting = [(call, chain) for call, chain in known if re.match(kind, chain[0].text)]
    fitting = fitting or [(call, chain) for call, chain in known if re.match(_CONTROL, chain[0].text)]
    places = [call.code for call, _ in fitting] or [calls[0].code]
    return _frames(code_map, places[0], [chain for _, chain in fitting])


def _frames(code_map: CodeMap, place: int, chains: list[list[Spot]]) -> list[Frame]:
    """The function at a place in the code, and what is inlined there where all chains agree on it."""
    name = code_map.name_at(place)
    functions = {tuple(spot.function for spot in chain) for chain in chains}
    if len(functions) != 1:
        return [Frame(name, place, tuple(dict.fromkeys(chain[0] for chain in chains)))]
    frames = []
    for level, index in enumerate(functions.pop()):
        spots = tuple(dict.fromkeys(chain[level] for chain in chains))
        frames.append(Frame(code_map.functions[index][0], place, spots, inlined=True))
    last = frames.pop() if frames else Frame(name, place)
    return [*frames, Frame(name, place, last.spots)]
