"""The contract's own decoding of RISC-V against capstone's: lengths, where branches lead, what sets sp."""

from __future__ import annotations

import random

import capstone
import pytest
import wasmtime
from insitu import aot
from insitu.aot.contract import instruction as do
from insitu.aot.contract import relaxation, relocations
from insitu.aot.contract.elf import Object
from insitu.aot.contract.instruction import Instruction, NotAllowed
from insitu.aot.contract.riscv import decode
from insitu.aot.plan import Plan
from insitu.aot.targets import target
from insitu.wasm.decode import decode as module

MD = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
BRANCHES = {"beq", "bne", "blt", "bge", "bltu", "bgeu", "beqz", "bnez", "bltz", "bgez", "blez", "bgtz"}
# Opcodes of the base: of random words too few would be instructions.
OPCODES = (0x13, 0x33, 0x03, 0x23, 0x63, 0x37, 0x17, 0x6F, 0x67, 0x73, 0x0F, 0x2F)


def _words(count: int) -> list[bytes]:
    chance = random.Random(7)
    wide = [(chance.getrandbits(25) << 7 | chance.choice(OPCODES)).to_bytes(4, "little") for _ in range(count)]
    return wide + [word.to_bytes(2, "little") for word in range(1 << 16) if word & 3 != 3]


def _mine(data: bytes) -> Instruction | None:
    try:
        return decode(data + bytes(4), 0)
    except NotAllowed:
        return None


def _changes_sp(i: Instruction) -> bool:
    none = (do.STORE, do.STORE_AT, do.COMPARE, do.COMPARE_CONSTANT, do.FORGET_FLAGS)
    return any(effect[0] not in none and effect[1] == 2 for effect in i.effects)


def test_all_compressed_and_many_others() -> None:
    """What one takes for a branch, a jump, a load or a store, the other does, too; privileged ones are refused."""
    seen = 0
    for data in _words(40_000):
        listed = list(MD.disasm_lite(data, 0))
        mine = _mine(data)
        if not listed or mine is None:
            continue
        _, size, mnemonic, operands = listed[0]
        name = mnemonic.removeprefix("c.")
        assert mine.size == size, (data.hex(), mnemonic)
        last = operands.split(", ")[-1]
        if name in BRANCHES:
            assert mine.flow == do.BRANCH and mine.target == int(last, 0), (data.hex(), mnemonic, operands)
        elif name in ("j", "jal"):
            assert mine.flow in (do.JUMP, do.CALL) and mine.target == int(last, 0), (data.hex(), mnemonic, operands)
        elif name in ("jr", "jalr", "ret"):
            assert mine.flow in (do.JUMP_REGISTER, do.CALL_REGISTER), (data.hex(), mnemonic)
        else:
            assert mine.flow == do.NEXT, (data.hex(), mnemonic)
            if name in ("sw", "sh", "sb", "swsp"):
                assert [e[0] for e in mine.effects] == [do.STORE], (data.hex(), mnemonic)
            else:
                assert _changes_sp(mine) == (operands.split(", ")[0] == "sp"), (data.hex(), mnemonic, operands)
        seen += 1
    assert seen > 40_000


@pytest.mark.parametrize(
    "text",
    # ECALL, EBREAK, MRET, WFI, CSRRW, CSRRS, FENCE, FENCE.I, LR.W, C.EBREAK, C.UNIMP
    [
        "73000000",
        "73001000",
        "73002030",
        "73005010",
        "73100530",
        "f3200030",
        "0f00f00f",
        "0f100000",
        "2f200510",
        "0290",
        "0000",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        decode(bytes.fromhex(text) + bytes(4), 0)


def test_what_a_signed_load_gives_has_no_bound() -> None:
    last = {0: do.WRITE, 1: do.WRITE, 2: do.LOAD, 4: do.LOAD, 5: do.LOAD}  # LB, LH, LW, LBU, LHU: manual, chapter 2.6
    for function, effect in last.items():
        load = _mine((0x03 | 10 << 7 | function << 12 | 11 << 15).to_bytes(4, "little"))
        assert load is not None and load.effects[-1][0] == effect


def test_what_the_linker_fills_in_leads_where_it_should() -> None:
    """Calls that are made shorter, and branches across them: to the ends of their reach, by the decoding above."""
    forms = {
        (0x0000006F, 4, relocations.SHORTENED[4]): 1 << 20,
        (0x000000EF, 4, relocations.RISCV[17]): 1 << 20,
        (0x2001, 2, relocations.SHORTENED[2]): 1 << 11,
        (0xA001, 2, relocations.RISCV[45]): 1 << 11,
        (0xC101, 2, relocations.RISCV[44]): 1 << 8,
        (0x00B50063, 4, relocations.RISCV[16]): 1 << 12,
    }
    for (word, size, apply), reach in forms.items():
        for distance in (*range(-reach, reach, max(2, reach >> 9)), reach - 2):
            data = bytearray(word.to_bytes(size, "little"))
            apply(data, 0, 0x08000000 + distance, 0x08000000)
            assert decode(bytes(data) + bytes(4), 0).target == distance


@pytest.mark.parametrize(
    ("linked", "moved"),
    [
        ("97000000e7800000", 8),  # AUIPC and JALR: it was too far
        ("ef000000", 4),  # JAL
        ("0120", 2),  # C.JAL
    ],
)
def test_what_lies_behind_a_call_that_was_made_shorter_moves_up(linked: str, moved: int) -> None:
    text = '(module (import "e" "f" (func)) (func (export "run") (call 0) (call 0)))'
    (built,) = aot.object_files(Plan(module(bytes(wasmtime.wat2wasm(text))), target("rv32imc")))
    of = Object(built)
    section = of.by_name[".text.f1"]
    first, second, *_ = (r.offset for r in of.relocations(section) if r.type == relaxation.CALL)
    code = of.bytes_of(of.sections[section])
    made = code[:first] + bytes.fromhex(linked) + code[first + 8 :]
    shortened = relaxation.found(of, section, made, 0)
    assert shortened.at(first) == first and shortened.at(first + 8) == first + moved
    assert shortened.at(second) == second - 8 + moved
