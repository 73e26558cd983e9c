"""Machine code with one property broken, made systematically: where in a module's code, and what is put there.

Sites are found with capstone's disassembly, which the contract's own decoding of RISC-V has nothing in common with.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import capstone
from insitu import aot
from insitu.aot import contract, link
from insitu.aot.contract import relaxation, relocations, riscv
from insitu.aot.contract.elf import Object
from insitu.aot.contract.relaxation import Shortened
from insitu.aot.efforts import SPEED
from insitu.aot.options import Options
from insitu.aot.plan import Plan
from insitu.aot.targets import target as named
from insitu.aot.window import Wanted
from insitu.wasm.decode import decode

_RELOCATIONS = {4: 12, 9: 8}  # SHT_RELA, SHT_REL: bytes of an entry
_NO_RELOCATION = 0  # R_ARM_NONE, R_RISCV_NONE
# R_RISCV_BRANCH, R_RISCV_JAL, R_RISCV_RVC_BRANCH, R_RISCV_RVC_JUMP
_WIDTHS = {16: 4, 17: 4, 44: 2, 45: 2}
Patch = tuple[str, int, bytes]  # kind, offset in the code, bytes


@dataclass(frozen=True)
class Built:
    """A module's code, and what the contract proves it against."""

    plan: Plan
    objects: list[bytes]
    code: link.Code

    @property
    def riscv(self) -> bool:
        return self.plan.target.code_bit == 0

    def check(self) -> contract.StackUse:
        return contract.check(self.code, self.objects, self.plan)

    def in_image(self, offset: int, data: bytes) -> Built:
        """Other bytes in the linked code only."""
        changed = bytearray(self.code.data)
        changed[offset : offset + len(data)] = data
        return replace(self, code=replace(self.code, data=bytes(changed)))

    def in_both(self, offset: int, data: bytes) -> Built:
        """Other bytes in the linked code and in the object file, as if the compiler had written them."""
        piece = self.piece(offset)
        name = list(link.program(self.objects)).index(piece.file)
        of = Object(self.objects[name])
        section = of.by_name[piece.section]
        at = _in_object(self.shortened(piece, of), offset - piece.offset)
        changed = bytearray(self.objects[name])
        for info, r in zip(_places(of, section), of.relocations(section), strict=True):
            if r.offset == at and r.type == relaxation.CALL:
                self._redirect(changed, info, of, offset + riscv.decode(data, 0).target)
            elif 0 <= r.offset - at < len(data):
                changed[info] = _NO_RELOCATION
        if not any(r.offset == at and r.type == relaxation.CALL for r in of.relocations(section)):
            at += of.sections[section].offset
            changed[at : at + len(data)] = data
        objects = [*self.objects[:name], bytes(changed), *self.objects[name + 1 :]]
        return replace(self.in_image(offset, data), objects=objects)

    def _redirect(self, changed: bytearray, info: int, of: Object, to: int) -> None:
        """Have a relocation of RISC-V name that offset in the code, by its distance from a function of the object's."""
        n, symbol = next((n, s) for n, s in enumerate(of.symbols) if s.function and s.name in self.code.symbols)
        struct.pack_into("<Ii", changed, info, n << 8 | relaxation.CALL, to - self.code.symbols[symbol.name])

    def shortened(self, piece: link.Piece, of: Object) -> Shortened:
        if not self.riscv:
            return Shortened()
        return relaxation.found(of, of.by_name[piece.section], self.code.data, piece.offset)

    def own(self) -> list[tuple[link.Piece, Object]]:
        """The module's own pieces, and the object file of each."""
        files = {name: Object(data) for name, data in link.program(self.objects).items()}
        return [(piece, files[piece.file]) for piece in self.code.pieces if piece.file in files]

    def piece(self, offset: int) -> link.Piece:
        return next(piece for piece, _ in self.own() if piece.offset <= offset < piece.offset + piece.size)

    def relocated(self) -> set[int]:
        """Offsets in the code of what the linker fills in: other bytes there would not outlive it."""
        found = set()
        for piece, of in self.own():
            shortened = self.shortened(piece, of)
            for r in of.relocations(of.by_name[piece.section]):
                end = r.offset + (_WIDTHS.get(r.type, 8) if self.riscv else 8)
                found.update(range(piece.offset + shortened.at(r.offset), piece.offset + shortened.at(end)))
        return found


def _in_object(shortened: Shortened, offset: int) -> int:
    """The offset in the object's section of what the linked section has at one."""
    left_out = zip(shortened.calls, shortened.gone, strict=True)
    return offset + max((gone for call, gone in left_out if shortened.at(call) < offset), default=0)


def _places(of: Object, section: int) -> range:
    """Where the object file has the types of the section's relocations: Elf32_Rel and Elf32_Rela begin alike."""
    tables = [s for s in of.sections if s.info == section and s.type in _RELOCATIONS]
    return (
        range(tables[0].offset + 4, tables[0].offset + tables[0].size, _RELOCATIONS[tables[0].type])
        if tables
        else range(0)
    )


def build(
    wasm: bytes, target: str, window: Wanted | None = None, *, interruptible: bool = False, optimise: str = SPEED
) -> Built:
    plan = Plan(decode(wasm), named(target), Options(window=window, interruptible=interruptible))
    made = aot.object_files(plan, optimise)
    return Built(plan, made, link.link(made, plan))


Line = tuple[int, int, str, str]  # offset, size, mnemonic, operands


def lines(built: Built) -> Iterator[Line]:
    """The instructions of the program's functions."""
    md = _disassembler(built)
    data = built.code.data
    for piece, of in built.own():
        if not piece.section.startswith(".text"):
            continue
        at = built.shortened(piece, of).at
        marks = sorted(
            (at(s.value), s.name[:2]) for s in of.defined[of.by_name[piece.section]] if s.name[:2] in ("$t", "$x", "$d")
        )
        for (start, kind), (end, _) in zip(marks, [*marks[1:], (piece.size, "")], strict=True):
            if kind != "$d":
                yield from _all_of(md, data[: piece.offset + end], piece.offset + start)


def _all_of(md: capstone.Cs, data: bytes, at: int) -> Iterator[Line]:
    """From at on; what capstone does not know, such as SH2ADD of Zba, has 4 bytes and is left out."""
    while at < len(data):
        for line in md.disasm_lite(data[at:], at):
            at += line[1]
            yield line
        at += 4


def _disassembler(built: Built) -> capstone.Cs:
    if built.riscv:
        return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    return capstone.Cs(capstone.CS_ARCH_ARM, mode)


_NOP = {(True, 2): "0100", (True, 4): "13000000", (False, 2): "00bf", (False, 4): "aff30080"}
# Of two and of four bytes. Thumb: CPSID i, SVC, WFI, BKPT; MSR CONTROL, DSB. RISC-V: EBREAK; ECALL, WFI, CSRW, MRET.
_SYSTEM = {
    (False, 2): ("72b6", "00df", "30bf", "00be"),
    (False, 4): ("80f31488", "bff34f8f"),
    (True, 2): ("0290",),
    (True, 4): ("73000000", "73005010", "73100530", "73002030"),
}
# MOV sp, r12 (r0 may hold sp itself, to compare it); ADD.W sp, r0, #0. C.MV sp, a5; MV sp, a5.
_MOVED = {(False, 2): "e546", (False, 4): "00f1000d", (True, 2): "3e81", (True, 4): "13810700"}
_CONDITIONAL = {"beq", "bne", "bhs", "blo", "bhi", "bls", "bge", "blt", "bgt", "ble", "bmi", "bpl", "cbz", "cbnz"}
_CONDITIONAL |= {"bltu", "bgeu", "c.beqz", "c.bnez", "beqz", "bnez", "bgez", "bltz"}


def _conditional(mnemonic: str) -> bool:
    return mnemonic.removesuffix(".w") in _CONDITIONAL


def inverted(data: bytes) -> bytes:
    """A conditional branch that is taken where it was not."""
    word = int.from_bytes(data, "little")
    if len(data) == 4 and word & 0x7F == 0x63:
        return struct.pack("<I", word ^ 1 << 12)  # RISC-V: funct3
    if len(data) == 2 and word & 3 == 1 and word >> 14 == 3:
        return struct.pack("<H", word ^ 1 << 13)  # C.BEQZ, C.BNEZ
    if len(data) == 4:
        return struct.pack("<I", word ^ 1 << 6)  # Thumb, B<c>.W: the condition is in the first halfword
    return struct.pack("<H", word ^ (1 << 11 if word >> 12 == 0xB else 1 << 8))  # CBZ and CBNZ; B<c>


def _changed(built: Built, kind: str, offset: int, size: int) -> Iterator[Patch]:
    """A conditional branch, left out and turned round."""
    yield f"{kind} left out", offset, bytes.fromhex(_NOP[built.riscv, size])
    yield f"{kind} inverted", offset, inverted(built.code.data[offset : offset + size])


def changed_branches(built: Built) -> Iterator[Patch]:
    """Each conditional branch, among them those of every check, left out or turned round: in the image only."""
    for offset, size, mnemonic, _ in lines(built):
        if _conditional(mnemonic):
            yield from _changed(built, "branch", offset, size)


def left_out(built: Built, function: str) -> Iterator[Patch]:
    """Each instruction of a function that the linker does not fill in."""
    filled, start = built.relocated(), built.code.symbols[function]
    end = built.piece(start).offset + built.piece(start).size
    for offset, size, _, _ in lines(built):
        if start <= offset < end and offset not in filled:
            yield "left out", offset, bytes.fromhex(_NOP[built.riscv, size])


def stack_checks(built: Built) -> Iterator[Patch]:
    """The branch that follows a comparison of sp."""
    compared = -100
    for offset, size, mnemonic, operands in lines(built):
        if "sp" in operands and mnemonic.startswith(("cmp", "mov", "c.mv", "bltu", "bgeu")):
            compared = offset
        if _conditional(mnemonic) and offset - compared <= 8:
            yield from _changed(built, "stack check", offset, size)
            compared = -100


def signature_checks(built: Built) -> Iterator[Patch]:
    """The first conditional branch behind a load of the word before code that is called through a register."""
    before = str(-4 - built.plan.target.code_bit)
    found = list(lines(built))
    for n, (_, _, mnemonic, _) in enumerate(found):
        if mnemonic not in ("blx", "c.jalr") and not (mnemonic == "jalr" and found[n - 1][2] != "auipc"):
            continue
        nearby = found[max(0, n - 25) : n]
        loads = [i for i, line in enumerate(nearby) if _loads_word_before(line, before)]
        if not loads:
            continue
        for offset, size, other, _ in nearby[loads[-1] :]:
            if _conditional(other):
                yield from _changed(built, "signature check", offset, size)
                break


def _loads_word_before(line: Line, before: str) -> bool:
    mnemonic, operands = line[2], line[3].replace("-0x", "-")
    if mnemonic.startswith(("ldr", "lw")):
        return f"#{before}]" in operands or f", {before}(" in operands
    return mnemonic.startswith("subs") and operands.endswith("#5")


def nearest_checks(built: Built) -> Iterator[Patch]:
    """The last conditional branch before each call through a register, but the operand stack's."""
    starts, branch = set(built.code.symbols.values()), None
    of_stack = {offset for _, offset, _ in stack_checks(built)}
    for offset, size, mnemonic, _ in lines(built):
        if offset in starts:
            branch = None
        if _conditional(mnemonic) and offset not in of_stack:
            branch = offset, size
        elif mnemonic in ("blx", "c.jalr") and branch:
            yield from _changed(built, "check before a call", *branch)


def frames(built: Built) -> Iterator[Patch]:
    """A frame that is larger than what its function gives back."""
    for offset, size, mnemonic, operands in lines(built):
        word = int.from_bytes(built.code.data[offset : offset + size], "little")
        if mnemonic == "sub" and operands.startswith("sp") and size == 2:
            yield "frame enlarged", offset, struct.pack("<H", word + 1)
        elif mnemonic == "push" and size == 2:
            yield (
                "frame enlarged",
                offset,
                struct.pack("<H", word ^ 1),  # r0, too,
            )
        elif mnemonic == "c.addi" and operands.startswith("sp, -"):
            yield "frame enlarged", offset, struct.pack("<H", word ^ 1 << 6)  # by 16, or smaller by as much
        elif mnemonic in ("pop", "pop.w") and "pc" in operands and size == 2:
            yield "return changed", offset, struct.pack("<H", word ^ 0x80 if word & 0x80 else word | 0x80)
        elif mnemonic == "c.jr" or mnemonic == "bx":
            yield "return changed", offset, struct.pack("<H", 0x4700 if mnemonic == "bx" else 0x8502)


def calls(built: Built) -> Iterator[Patch]:
    """A direct call becomes one to the middle of a function, to a thunk, to the stub's entry; no linker fills it in."""
    for offset, size, mnemonic, _ in lines(built):
        for kind, target in (
            ("call of a function's middle", built.code.symbols["f0"] + 2),  # before its frame is whole
            ("call of a thunk", built.code.symbols["t0"]),
            ("call of the stub's entry", built.code.symbols["insitu_enter"]),
        ):
            if mnemonic == "bl":
                yield kind, offset, _bl(target - offset - 4)
            elif mnemonic in ("jal", "c.jal"):
                data = bytearray(built.code.data[offset : offset + size])
                relocations.SHORTENED[size](data, 0, target, offset)
                yield kind, offset, bytes(data)


def _bl(distance: int) -> bytes:
    sign = distance >> 24 & 1
    j1, j2 = ~(distance >> 23 & 1 ^ sign) & 1, ~(distance >> 22 & 1 ^ sign) & 1
    first = 0xF000 | sign << 10 | distance >> 12 & 0x3FF
    return struct.pack("<HH", first, 0xD000 | j1 << 13 | j2 << 11 | distance >> 1 & 0x7FF)


def anywhere(built: Built, step: int) -> Iterator[Patch]:
    """Every step-th instruction becomes one that no program may have, or one that sets sp from a register."""
    filled = built.relocated()
    for n, (offset, size, mnemonic, _) in enumerate(lines(built)):
        if n % step or offset in filled or mnemonic in ("nop", "c.nop"):
            continue
        choices = _SYSTEM[built.riscv, size]
        yield "system instruction", offset, bytes.fromhex(choices[n // step % len(choices)])
        yield "stack pointer from a register", offset, bytes.fromhex(_MOVED[built.riscv, size])
