"""Counts of executed instructions, known by hand and checked against Unicorn's instruction hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from insitu.errors import InsituError
from insitu.sim import CPUS, Cpu, CpuFault
from insitu.sim.count import lengths
from unicorn import unicorn_const

if TYPE_CHECKING:
    from tests.sim.conftest import Assemble

FLASH = 0x08000000
RAM = 0x20000000

_LOOP = {
    # 2 + n * 3 + 1
    "thumb": "movs r1, #0\n movs r2, #0\n 1: add.w r1, r1, r0\n subs r0, #1\n bne 1b\n bx lr",
    "riscv": "li a1, 0\n li a2, 0\n 1: add a1, a1, a0\n addi a0, a0, -1\n bnez a0, 1b\n ret",
}


def _cpu(target: str, code: bytes) -> Cpu:
    cpu = Cpu(target)
    cpu.map_flash(FLASH, code)
    cpu.map_ram(RAM, 4096)
    return cpu


def _loop(target: str) -> str:
    source = _LOOP["riscv" if target == "rv32imc" else "thumb"]
    return source.replace("add.w", "adds") if target == "cortex-m0plus" else source


@pytest.mark.parametrize("target", CPUS)
def test_loop(target: str, assemble: Assemble) -> None:
    cpu = _cpu(target, assemble(target, _loop(target)))
    cpu.call(FLASH, 3)  # blocks that are translated already are counted too
    for n in (1, 2, 1000):
        with cpu.counting() as c:
            cpu.call(FLASH, n)
        assert c.instructions == 2 + 3 * n + 1
    with cpu.counting() as c:
        cpu.call(FLASH, 10)
        assert c.instructions == 33
        cpu.call(FLASH, 10)
    assert c.instructions == 66
    assert sum(c.blocks().values()) == 66


def test_long_straight_code_is_split_by_unicorn(assemble: Assemble) -> None:
    cpu = _cpu("cortex-m3", assemble("cortex-m3", "adds r0, #1\n" * 3000 + "bx lr"))
    with cpu.counting() as c:
        assert cpu.call(FLASH, 0) == 3000
    assert c.instructions == 3001


def test_a_skipped_it_block_counts(assemble: Assemble) -> None:
    code = assemble("cortex-m3", "cmp r0, #0\n ittt ne\n movne r1, #1\n addne.w r0, r0, r1\n movne r2, #0\n bx lr")
    cpu = _cpu("cortex-m3", code)
    for argument in (0, 5):
        with cpu.counting() as c:
            cpu.call(FLASH, argument)
        assert c.instructions == 6


def test_a_conditional_return_inside_an_it_block(assemble: Assemble) -> None:
    code = assemble("cortex-m3", "cmp r0, #0\n it ne\n bxne lr\n movs r0, #7\n bx lr")
    cpu = _cpu("cortex-m3", code)
    counted = []
    for argument in (1, 0):
        with cpu.counting() as c:
            cpu.call(FLASH, argument)
        counted.append(c.instructions)
    assert counted == [3, 5]


@pytest.mark.parametrize("target", CPUS)
def test_a_fault_cuts_its_block(target: str, assemble: Assemble) -> None:
    source = "nop\n lw a0, 0(a0)\n nop\n nop\n ret" if target == "rv32imc" else "nop\n ldr r0, [r0]\n nop\n nop\n bx lr"
    cpu = _cpu(target, assemble(target, source))
    with cpu.counting() as c, pytest.raises(CpuFault):
        cpu.call(FLASH, 0x50000000)
    assert c.instructions == 1


@pytest.mark.parametrize("target", CPUS)
def test_same_as_the_instruction_hook(target: str, assemble: Assemble) -> None:
    """Calls, returns through the stack, a table jump and a loop."""
    thumb = """
        push {r4, lr}
        movs r4, #0
    1:  bl 2f
        subs r0, #1
        bne 1b
        mov r0, r4
        pop {r4, pc}
    2:  and r1, r0, #1
        tbb [pc, r1]
        .byte 3, 1
        adds r4, #1
        bx lr
        adds r4, #2
        bx lr
    """
    riscv = """
        addi sp, sp, -16
        sw ra, 0(sp)
        li a4, 0
    1:  jal ra, 2f
        addi a0, a0, -1
        bnez a0, 1b
        mv a0, a4
        lw ra, 0(sp)
        addi sp, sp, 16
        ret
    2:  andi a1, a0, 1
        beqz a1, 3f
        addi a4, a4, 1
        ret
    3:  addi a4, a4, 2
        ret
    """
    if target == "cortex-m0plus":
        thumb = (
            thumb[: thumb.index("2:")]
            + """
    2:  movs r1, #1
        ands r1, r0
        lsls r1, #2
        add pc, r1
        nop
        adds r4, #2
        bx lr
        adds r4, #1
        bx lr
    """
        )
    cpu = _cpu(target, assemble(target, riscv if target == "rv32imc" else thumb))
    with cpu.counting() as c:
        result = cpu.call(FLASH, 9)
    assert result == 5 * 1 + 4 * 2
    executed = [0]

    def on_instruction(uc: Any, address: int, size: int, data: Any) -> None:
        executed[0] += 1

    cpu.uc.ctl_flush_tb()
    cpu.uc.hook_add(unicorn_const.UC_HOOK_CODE, on_instruction, begin=FLASH, end=FLASH + 4095)
    cpu.call(FLASH, 9)
    assert c.instructions == executed[0]


def test_one_counter_at_a_time() -> None:
    cpu = Cpu("cortex-m3")
    with cpu.counting(), pytest.raises(InsituError, match="counted already"), cpu.counting():
        pass


def test_lengths() -> None:
    assert lengths(bytes.fromhex("7047 00f000f8 00bf 5ff00000".replace(" ", "")), thumb=True) == [2, 4, 2, 4]
    assert lengths(bytes.fromhex("0100 13050000 8280".replace(" ", "")), thumb=False) == [2, 4, 2]
