"""The map of an image: what each piece of its machine code was. A JSON file beside the image, nothing of it in flash.

Offsets of code are from the image's first byte, as a Trap's are; those of WebAssembly from the module file's.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from insitu.errors import InsituError
from insitu.image.read import Image
from insitu.wasm.demangle import readable

FORMAT = 1
# Kinds of code: a function of the module, the wrapper of an import, a thunk, a helper of the library, the stub.
FUNCTION, IMPORT, THUNK, LIBRARY, STUB = "function", "import", "thunk", "library", "stub"


@dataclass(frozen=True, slots=True)
class Spot:
    """An instruction of the module.

    Attributes:
        function: its index; offset: in the module's file.
        text: the instruction.
        place: file and line of the source; "" where the module does not say.
    """

    function: int
    offset: int
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Code:
    """A function of the image.

    Attributes:
        kind: FUNCTION...
        index: of the function in the module, or of a thunk's type; -1 where it has none.
        frame: bytes that it takes of the operand stack.
        returns: whether it may; otherwise who calls it need not have kept the address to return to.
        exposed: whether calls through registers may be of it.
    """

    start: int
    size: int
    kind: str
    name: str
    index: int
    frame: int
    returns: bool
    exposed: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the machine code.

    Attributes:
        code: offset of the instruction; behind: of what follows, where the callee returns to.
        depth: bytes of its function's frame then.
        callee: where the called function starts; -1: one that is known only when it is called.
        tail: whether it is a jump: the callee returns to who called this function.
    """

    code: int
    behind: int
    depth: int
    callee: int
    tail: bool


@dataclass(frozen=True)
class CodeMap:
    """Of one image.

    Attributes:
        crc: the image's; target: what it was compiled for.
        functions: (name, file and line) of each function of the module, imports first.
        code: in order of start; calls: in order of code.
        spots: instructions that rows name by their place here.
        rows: (offset of code, spots): what the code from there on was made of, the instruction itself first, then the
            calls that LLVM made part of the function, innermost first. No spots: of no instruction.
        data: (offset, bytes) of constants and jump tables in functions.
        traps: offset of a call of the stub's trap, which several checks share, to the offsets of their branches.
        saved, link: bytes that the stub saves where code leaves for the runtime, and where among them the address is
            that it goes on at.
    """

    crc: int
    target: str
    functions: list[tuple[str, str]]
    code: list[Code]
    calls: list[Call]
    spots: list[Spot]
    rows: list[tuple[int, list[int]]]
    data: list[tuple[int, int]]
    traps: Mapping[int, list[int]]
    saved: int
    link: int

    @cached_property
    def _starts(self) -> list[int]:
        return [code.start for code in self.code]

    @cached_property
    def _row_starts(self) -> list[int]:
        return [start for start, _ in self.rows]

    @cached_property
    def called(self) -> dict[int, Call]:
        """Calls by the offset behind them, where the callee returns to."""
        return {call.behind: call for call in self.calls if not call.tail}

    def code_at(self, offset: int) -> Code | None:
        """The function of the image at an offset."""
        found = bisect_right(self._starts, offset) - 1
        if found < 0 or offset >= self.code[found].start + self.code[found].size:
            return None
        return self.code[found]

    def name_at(self, offset: int) -> str:
        """Of the function there; "" where there is none."""
        code = self.code_at(offset)
        return code.name if code else ""

    def spots_at(self, offset: int) -> list[Spot]:
        """The instruction that the code at an offset was made of, and the inlined calls that it came by."""
        found, code = bisect_right(self._row_starts, offset) - 1, self.code_at(offset)
        if found < 0 or code is None or self.rows[found][0] < code.start:
            return []
        return [self.spots[i] for i in self.rows[found][1]]

    def check(self, image: Image) -> None:
        """Raise InsituError where this is another image's map."""
        if image.crc != self.crc:
            raise InsituError(
                f"the map is of the image with CRC {self.crc:#010x}, this one has {image.crc:#010x}: "
                "`insitu build` writes both, and they belong together"
            )

    def written(self) -> bytes:
        """The file's bytes."""
        record: dict[str, Any] = {
            "insitu map": FORMAT,
            "crc": self.crc,
            "target": self.target,
            "functions": self.functions,
            "code": [list(asdict(code).values()) for code in self.code],
            "calls": [list(asdict(call).values()) for call in self.calls],
            "spots": [list(asdict(spot).values()) for spot in self.spots],
            "rows": [[start, *spots] for start, spots in self.rows],
            "data": self.data,
            "traps": [[at, *branches] for at, branches in self.traps.items()],
            "saved": self.saved,
            "link": self.link,
        }
        rows = (f"{json.dumps(key)}: {_lines(value)}" for key, value in record.items())
        return ("{\n" + ",\n".join(rows) + "\n}\n").encode()


def _lines(value: Any) -> str:
    """JSON with a line for each row of a table."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"


def _readable_code(code: Code) -> Code:
    return replace(code, name=readable(code.name))


def _readable_spot(spot: Spot) -> Spot:
    word, _, name = spot.text.partition(" ")
    return replace(spot, text=f"{word} {readable(name)}") if word == "call" else spot


def read_map(path: Path, data: bytes) -> CodeMap:
    """The map in a file's data, with names as the source has them.

    Raises InsituError where it is none, or of another version of insitu.
    """
    try:
        record = json.loads(data)
        version = record["insitu map"]
    except (ValueError, TypeError, KeyError):
        raise InsituError(f"{path} is no map of an image: `insitu build` writes it beside the image") from None
    if version != FORMAT:
        raise InsituError(f"{path} is a map of format {version}, this insitu reads {FORMAT}: build the image again")
    try:
        return CodeMap(
            record["crc"],
            record["target"],
            [(readable(name), place) for name, place in record["functions"]],
            [_readable_code(Code(*row)) for row in record["code"]],
            [Call(*row) for row in record["calls"]],
            [_readable_spot(Spot(*row)) for row in record["spots"]],
            [(start, spots) for start, *spots in record["rows"]],
            [(start, size) for start, size in record["data"]],
            {at: branches for at, *branches in record["traps"]},
            record["saved"],
            record["link"],
        )
    except (ValueError, TypeError, KeyError):
        raise InsituError(f"{path} is damaged: build the image again") from None
