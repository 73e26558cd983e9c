"""Where each byte of the linked code comes from: proven by putting it together a second time.

The linker says which section of which input it laid where (its map). That is not believed: each section's bytes are
taken from the input, relocated here, and must be what the linked code has there; what lies between sections is zeros.
So every function is one of the module's own object files, of the stub, or of the library, by their symbol tables,
and its code is what LLVM wrote: every check that LLVM was given is still in it, unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from insitu.aot import link
from insitu.aot.contract import relaxation, relocations
from insitu.aot.contract.elf import ABSOLUTE, SECTION, UNDEFINED, Object, Symbol, members
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.relaxation import Shortened
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.link import Code
    from insitu.aot.targets import Target
    from insitu.aot.window import Far


_MAPPING = ("$d", "$t", "$x", "$a")
PROGRAM, STUB, LIBRARY, FAR = "program", "stub", "library", "far"  # whose code it is
_ROLES = {link.STUB: STUB, link.POLL: STUB, link.FRAMES: STUB, link.FAR: FAR}


@dataclass(frozen=True, slots=True)
class Placed:
    """A section of an input in the linked code."""

    object: Object
    section: int
    offset: int
    size: int
    role: str
    shortened: Shortened

    def at(self, offset: int) -> int:
        """Where in the linked code that offset of the section is."""
        return self.offset + self.shortened.at(offset)


@cache
def _standing(target: Target, far: Far | None, polls: bool) -> dict[str, Object]:
    """What every module is linked with, by the name that the linker's map has for it; in an archive, each member."""
    path = link.library(target)
    found = {name: Object(data) for name, data in link.own_objects(target, far=far, polls=polls).items()}
    return found | {f"{path}({name})": Object(data) for name, data in members(Path(path).read_bytes()).items()}


class Provenance:
    """The inputs of one link.

    Attributes:
        placed: sections in order of offset.
        functions: (offset, symbol, role) of every function, in order of offset.
    """

    def __init__(
        self, code: Code, objects: list[bytes], target: Target, *, far: Far | None = None, polls: bool = False
    ) -> None:
        self._code, self._target = code, target
        self._relaxed = target.arch == layout.ARCH_RV32
        self._program = {name: Object(data) for name, data in link.program(objects).items()}
        self._inputs = self._program | _standing(target, far, polls)
        self.placed = [self._place(piece) for piece in code.pieces if piece.file != link.MERGED]
        self._merged = self._merge([piece for piece in code.pieces if piece.file == link.MERGED])
        self._at = {(id(p.object), p.section): p for p in self.placed}
        self._global: dict[str, tuple[Placed, Symbol]] = {}
        for placed in self.placed:
            for symbol in placed.object.defined.get(placed.section, []):
                # of weak ones, which each unit has of its own, the first counts
                if not symbol.local and not (symbol.weak and symbol.name in self._global):
                    self._global[symbol.name] = placed, symbol
        self.functions = sorted(
            (
                (self.offset(p.object, s) & ~target.code_bit, self._as_linked(p, s), p.role)
                for p in self.placed
                for s in self._functions(p)
            ),
            key=lambda row: (row[0], row[1].name),
        )

    @staticmethod
    def _functions(placed: Placed) -> list[Symbol]:
        return [symbol for symbol in placed.object.defined.get(placed.section, []) if symbol.function]

    @staticmethod
    def _as_linked(placed: Placed, symbol: Symbol) -> Symbol:
        return replace(symbol, size=placed.at(symbol.value + symbol.size) - placed.at(symbol.value))

    def _place(self, piece: link.Piece) -> Placed:
        found = self._inputs.get(piece.file)
        if found is None or piece.section not in found.by_name:
            raise ContractError(piece.file, 0, "the linker took in what is none of its inputs")
        section = found.by_name[piece.section]
        shortened = relaxation.found(found, section, self._code.data, piece.offset) if self._relaxed else Shortened()
        if found.sections[section].size - shortened.total != piece.size:
            raise ContractError(piece.file, 0, f"the section {piece.section} has another size than the linker says")
        role = PROGRAM if piece.file in self._program else _ROLES.get(piece.file, LIBRARY)
        return Placed(found, section, piece.offset, piece.size, role, shortened)

    def _merge(self, pieces: list[link.Piece]) -> dict[tuple[str, bytes], int]:
        """Constants that the linker keeps once for all inputs: the section's name and their bytes, to where they are.

        Raises ContractError where an entry is in none of the inputs.
        """
        found: dict[tuple[str, bytes], int] = {}
        for piece in pieces:
            entries = [
                (of.bytes_of(of.sections[of.by_name[piece.section]]), of.sections[of.by_name[piece.section]].entry)
                for of in self._inputs.values()
                if piece.section in of.by_name
            ]
            known = {data[i : i + size] for data, size in entries if size for i in range(0, len(data), size)}
            size = max([size for _, size in entries], default=0)
            for offset in range(piece.offset, piece.offset + piece.size, size or 1):
                content = self._code.data[offset : offset + size]
                if content not in known:
                    raise ContractError(
                        piece.section, offset - piece.offset, "a constant that is in none of the inputs"
                    )
                found.setdefault((piece.section, content), offset)
        return found

    def offset(self, of: Object, symbol: Symbol, addend: int = 0) -> int:
        """Where a symbol of an input is in the linked code, plus addend, Thumb's bit included."""
        if symbol.section == UNDEFINED and symbol.name not in self._global:
            raise ContractError(symbol.name, 0, "nothing that was linked defines it")
        if not symbol.local and symbol.name in self._global:  # also of a weak one, which another input's comes before
            placed, definition = self._global[symbol.name]
            return placed.at(definition.value) + addend
        if (id(of), symbol.section) in self._at:
            return self._at[id(of), symbol.section].at(symbol.value) + addend
        section = None if symbol.section == ABSOLUTE else of.sections[symbol.section]
        if section is None or not section.entry:
            raise ContractError(symbol.name, 0, "it lies in no section that was linked")
        # of the section's own symbol the addend says which entry is meant
        value, behind = (symbol.value + addend, 0) if symbol.info & 15 == SECTION else (symbol.value, addend)
        start = value - value % section.entry
        content = of.bytes_of(section)[start : start + section.entry]
        if (section.name, content) not in self._merged:
            raise ContractError(symbol.name, 0, "a constant that was not linked")
        return self._merged[section.name, content] + value - start + behind

    def constants(self) -> set[int]:
        """Offsets of all halfwords in the program's code that the object file declares to be data.

        By its mapping symbols (ELF for the Arm Architecture, 5.5.5; RISC-V ELF psABI, "Mapping Symbol"). LLVM leaves
        constants behind that nothing reads.
        """
        found: set[int] = set()
        for placed in self.placed:
            if placed.role == PROGRAM:
                symbols = placed.object.defined.get(placed.section, [])
                marks = sorted((s for s in symbols if s.name[:2] in _MAPPING), key=lambda s: s.value)
                if not marks:  # a section of constants alone: nothing to tell apart
                    continue
                ends = [*(placed.at(mark.value) for mark in marks[1:]), placed.offset + placed.size]
                for mark, end in zip(marks, ends, strict=True):
                    if mark.name[:2] == "$d":
                        found.update(range(placed.at(mark.value), end, 2))
        return found

    def prove(self) -> None:
        """Raises ContractError where the linked code is not its inputs."""
        end = 0
        merged = [(piece.offset, piece.size, None) for piece in self._code.pieces if piece.file == link.MERGED]
        sections = [(placed.offset, placed.size, placed) for placed in self.placed]
        for offset, size, placed in sorted([*sections, *merged], key=lambda row: row[0]):
            if offset < end:
                raise self._error(offset, "two sections lie over one another")
            self._expect(end, bytes(offset - end), "between sections lie bytes of no input")
            if placed:
                data = self._relocated(placed)
                self._expect(offset, data, "the code differs from the object file that it was linked from")
            end = offset + size
        self._expect(end, bytes(len(self._code.data) - end), "behind the last section lie bytes of no input")
        for name, (placed, symbol) in self._global.items():
            if placed.role != LIBRARY and self._code.symbols.get(name) != self._plain(placed, symbol):
                raise ContractError(name, 0, "the linker says that it lies elsewhere than the object file does")

    def _plain(self, placed: Placed, symbol: Symbol) -> int:
        offset = placed.at(symbol.value)
        return offset & ~self._target.code_bit if symbol.function else offset

    def _expect(self, offset: int, expected: bytes, reason: str) -> None:
        found = self._code.data[offset : offset + len(expected)]
        if found != expected:
            raise self._error(
                offset + next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), 0), reason
            )

    def _error(self, offset: int, reason: str) -> ContractError:
        """Of an offset in the code; named by the function that it is in."""
        name, start = "the code", 0
        for at, symbol, _ in self.functions:
            if at <= offset:
                name, start = symbol.name, at
        return ContractError(name, offset - start, reason)

    def _relocated(self, placed: Placed) -> bytes:
        of = placed.object
        data = placed.shortened.applied(of.bytes_of(of.sections[placed.section]))
        found = of.relocations(placed.section)
        if not found:
            return bytes(data)
        (self._relocate_riscv if self._relaxed else self._relocate_arm)(placed, data)
        return bytes(data)

    def _unknown(self, placed: Placed, offset: int, kind: int) -> ContractError:
        return self._error(placed.offset + offset, f"relocation {kind} is none that a position-independent image has")

    def _relocate_arm(self, placed: Placed, data: bytearray) -> None:
        symbols = placed.object.symbols
        for r in placed.object.relocations(placed.section):
            if r.type in relocations.NOTHING:
                continue
            if r.type not in relocations.ARM:
                raise self._unknown(placed, r.offset, r.type)
            apply, addend = relocations.ARM[r.type]
            target = self.offset(placed.object, symbols[r.symbol], addend(data, r.offset))
            apply(data, r.offset, target, placed.offset + r.offset)

    def _relocate_riscv(self, placed: Placed, data: bytearray) -> None:
        symbols, of = placed.object.symbols, placed.object
        distances: dict[int, int] = {}  # of an AUIPC, by its offset
        shorter = dict(zip(placed.shortened.calls, placed.shortened.sizes, strict=True))
        for r in sorted(of.relocations(placed.section), key=lambda r: r.type in relocations.RISCV_LOW):
            if r.type in relocations.NOTHING:
                continue
            if r.type not in relocations.RISCV:
                raise self._unknown(placed, r.offset, r.type)
            place = placed.at(r.offset)
            if r.type in relocations.RISCV_LOW:
                target = distances[symbols[r.symbol].value]
            else:
                target = self.offset(of, symbols[r.symbol], r.addend or 0)
            if r.type == relocations.RISCV_HIGH:
                distances[r.offset] = target - place
            apply = relocations.RISCV[r.type]
            if r.type == relaxation.CALL and r.offset in shorter:
                apply = relocations.SHORTENED[shorter[r.offset]]
            apply(data, place - placed.offset, target, place)
