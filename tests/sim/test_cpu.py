"""The simulated CPU: calls, faults, and what the device stub needs of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from insitu.errors import InsituError
from insitu.sim import CPUS, Cpu, CpuFault

if TYPE_CHECKING:
    from tests.sim.conftest import Assemble

FLASH = 0x08000000
RAM = 0x20000000
THUMB = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33")


def _cpu(target: str, code: bytes, **options: float) -> Cpu:
    cpu = Cpu(target, **options)  # type: ignore[arg-type]
    cpu.map_flash(FLASH, code)
    cpu.map_ram(RAM, 4096)
    return cpu


def _either(target: str, thumb: str, riscv: str) -> str:
    return riscv if target == "rv32imc" else thumb


@pytest.mark.parametrize("target", CPUS)
def test_four_arguments_and_a_result(target: str, assemble: Assemble) -> None:
    thumb = "subs r0, r0, r1\n lsls r2, r3\n adds r0, r0, r2\n bx lr"
    riscv = "sub a0, a0, a1\n sll a2, a2, a3\n add a0, a0, a2\n ret"
    cpu = _cpu(target, assemble(target, _either(target, thumb, riscv)))
    assert cpu.call(FLASH, 5, 7, 3, 4) == 46
    assert cpu.call(FLASH | cpu.code_bit, 5, 7, 0, 0) == 0xFFFFFFFE
    assert cpu.call(FLASH, -1, -1, -1, 31) == 0x80000000
    with pytest.raises(InsituError, match="at most 4 arguments, not 5"):
        cpu.call(FLASH, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("target", CPUS)
def test_ram_is_shared_with_python(target: str, assemble: Assemble) -> None:
    thumb = "ldr r1, [r0]\n adds r1, #1\n str r1, [r0]\n bx lr"
    riscv = "lw a1, 0(a0)\n addi a1, a1, 1\n sw a1, 0(a0)\n ret"
    cpu = _cpu(target, assemble(target, _either(target, thumb, riscv)))
    words = cpu.view(RAM, 4096).cast("I")
    words[3] = 41
    cpu.call(FLASH, RAM + 12)
    cpu.call(FLASH, RAM + 12)
    assert words[3] == 43


@pytest.mark.parametrize(
    ("kind", "address", "thumb", "riscv"),
    [
        ("unmapped read", 0x50000000, "ldr r0, [r0]", "lw a0, 0(a0)"),
        ("unmapped write", 0x50000000, "str r0, [r0]", "sw a0, 0(a0)"),
        ("unmapped fetch", 0x50000000, "bx r0", "jr a0"),
        ("write to flash", FLASH, "str r0, [r0]", "sw a0, 0(a0)"),
        ("fetch from RAM", RAM, "bx r0", "jr a0"),
    ],
)
@pytest.mark.parametrize("target", CPUS)
def test_faults(target: str, kind: str, address: int, thumb: str, riscv: str, assemble: Assemble) -> None:
    code = assemble(target, _either(target, f"nop\n nop\n {thumb}\n bx lr", f"nop\n nop\n {riscv}\n ret"))
    cpu = _cpu(target, code)
    with pytest.raises(CpuFault) as fault:
        cpu.call(FLASH, address | (cpu.code_bit if "fetch" in kind else 0))
    assert fault.value.kind == kind
    assert fault.value.address == address
    assert fault.value.pc == (address if "fetch" in kind else FLASH + 4)
    assert str(fault.value) == f"{kind} at 0x{address:08x}, pc 0x{fault.value.pc:08x}"


@pytest.mark.parametrize("target", CPUS)
def test_a_fault_leaves_the_cpu_usable(target: str, assemble: Assemble) -> None:
    thumb = "cmp r0, #0\n beq 1f\n udf #0\n 1: movs r0, #9\n bx lr"
    cpu = _cpu(target, assemble(target, _either(target, thumb, "beqz a0, 1f\n unimp\n 1: li a0, 9\n ret")))
    # Unicorn has stepped over RISC-V's invalid instruction when it tells of it.
    with pytest.raises(CpuFault, match=r"invalid instruction, pc 0x0800000[246]"):
        cpu.call(FLASH, 1)
    assert cpu.call(FLASH, 0) == 9


@pytest.mark.parametrize("target", CPUS)
def test_limits(target: str, assemble: Assemble) -> None:
    code = assemble(target, "1: nop\n" + _either(target, "b 1b", "j 1b"))
    for options in ({"seconds": 0.05}, {"instructions": 1000}):
        with pytest.raises(CpuFault, match="limit, pc 0x0800000"):
            _cpu(target, code, **options).call(FLASH)


@pytest.mark.parametrize("target", CPUS)
def test_a_breakpoint(target: str, assemble: Assemble) -> None:
    cpu = _cpu(target, assemble(target, _either(target, "nop\n bkpt #0\n bx lr", "nop\n c.ebreak\n ret")))
    # Unicorn takes RISC-V's breakpoint for an invalid instruction.
    with pytest.raises(CpuFault, match=r"(breakpoint|invalid instruction), pc 0x08000002"):
        cpu.call(FLASH)


def test_unknown_target() -> None:
    with pytest.raises(
        InsituError, match="there are: cortex-m0plus, cortex-m3, cortex-m4f, cortex-m7, cortex-m33, rv32imc"
    ):
        Cpu("z80")


def test_fpu(assemble: Assemble) -> None:
    code = assemble("cortex-m4f", "vmov s0, r0\n vadd.f32 s0, s0, s0\n vmov r0, s0\n bx lr")
    assert _cpu("cortex-m4f", code).call(FLASH, 0x40400000) == 0x40C00000
    with pytest.raises(CpuFault, match="invalid instruction|no coprocessor"):
        _cpu("cortex-m3", code).call(FLASH, 0x40400000)


@pytest.mark.parametrize("target", THUMB)
def test_process_stack(target: str, assemble: Assemble) -> None:
    """CONTROL.SPSEL switches sp at once, and MSP keeps its value: the stub of compiled code relies on it."""
    code = assemble(
        target,
        """
        push {r4-r7, lr}
        mov r6, sp
        mrs r7, control
        msr psp, r0
        movs r2, #2
        orrs r2, r7
        msr control, r2
        isb
        mov r3, sp
        push {r3}
        mrs r4, psp
        mrs r5, msp
        stm r1!, {r3, r4, r5, r6}
        msr control, r7
        isb
        mov r3, sp
        mrs r4, psp
        stm r1!, {r3, r4}
        pop {r4-r7, pc}
        """,
    )
    cpu = _cpu(target, code)
    words = cpu.view(RAM, 64).cast("I")
    for _ in range(2):
        cpu.call(FLASH, RAM + 4096, RAM)
        on_psp, pushed, msp, sp, back, psp = words[:6]
        assert (on_psp, pushed) == (RAM + 4096, RAM + 4092)
        assert msp == sp == back
        assert psp == RAM + 4092


@pytest.mark.parametrize("target", THUMB)
def test_a_fault_on_the_process_stack(target: str, assemble: Assemble) -> None:
    code = assemble(
        target,
        "cmp r0, #0\n beq 1f\n msr psp, r0\n movs r1, #2\n msr control, r1\n isb\n udf #0\n 1: mrs r0, msp\n bx lr",
    )
    cpu = _cpu(target, code)
    main = cpu.call(FLASH, 0)
    with pytest.raises(CpuFault, match="invalid instruction"):
        cpu.call(FLASH, RAM + 64)
    assert cpu.call(FLASH, 0) == main


def test_programming_flash_replaces_code(assemble: Assemble) -> None:
    one, two = assemble("cortex-m3", "movs r0, #1\n bx lr"), assemble("cortex-m3", "movs r0, #2\n bx lr")
    cpu = _cpu("cortex-m3", one)
    assert cpu.call(FLASH) == 1
    cpu.program(FLASH, two)
    assert cpu.call(FLASH) == 2


@pytest.mark.parametrize(
    "code",
    [
        "cbz r0, 1f\n nop\n 1: nop",
        "cbnz r0, 1f\n nop\n 1: nop",
        "it eq\n moveq r0, r0",
        ".inst.n 0xb658",  # setend be
        "movw r0, #1",
        "udiv r0, r1, r1",
        "ldr.w r0, [r1]",
        "clz r0, r0",
        "umull r0, r1, r2, r3",
        "b.w 1f\n 1: nop",
        "push {r8}",
    ],
)
def test_what_a_cortex_m0plus_does_not_have(code: str, assemble: Assemble) -> None:
    cpu = _cpu("cortex-m0plus", assemble("cortex-m3", f"nop\n {code}\n bx lr"))
    for _ in range(2):
        with pytest.raises(CpuFault, match="invalid instruction, pc 0x0800000[02]"):
            cpu.call(FLASH, RAM, RAM, 1, 1)


@pytest.mark.parametrize(
    ("code", "aligned"),
    [
        ("ldr r0, [r0]", 4),
        ("ldrh r0, [r0]", 2),
        ("str r0, [r0]", 4),
        ("strh r0, [r0]", 2),
        ("ldrsh r0, [r0, r1]", 2),
        ("ldm r0, {r0, r1}", 4),
        ("ldrb r0, [r0]", 1),
    ],
)
def test_a_cortex_m0plus_faults_on_misaligned_accesses(code: str, aligned: int, assemble: Assemble) -> None:
    cpu = _cpu("cortex-m0plus", assemble("cortex-m0plus", f"nop\n {code}\n bx lr"))
    for offset in range(8):
        if offset % aligned:
            with pytest.raises(CpuFault, match="misaligned access, pc 0x08000002"):
                cpu.call(FLASH, RAM + offset, 0)
        else:
            cpu.call(FLASH, RAM + offset, 0)
