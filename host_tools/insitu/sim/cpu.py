"""A simulated microcontroller CPU: Unicorn, with RAM and flash that Python sees directly.

What was tried with Unicorn 2.1.4 (tests/sim/test_cpu.py repeats it):

- UC_MODE_MCLASS turns every model into a Cortex-M33. With UC_MODE_THUMB and a Cortex-M model one gets that
  model, M class and privileged: Cortex-M3 refuses DSP and FPU instructions, Cortex-M4 double precision.
- M class: `msr psp`, `msr control` with SPSEL, `isb`, `mrs msp/psp/control` do in one emu_start what the
  architecture says: sp is PSP at once, pushes move PSP, MSP stays. The first floating-point instruction sets
  CONTROL.FPCA, so code must change SPSEL alone.
- The Cortex-M0 model faults on misaligned loads and stores, and knows no 32-bit instructions but those of ARMv6-M.
  It takes CBZ, CBNZ, IT and SETEND, which an M0+ does not have: each new block is looked through for them. Unicorn
  tells of new blocks from the second one on that an engine ever executes.
- The Cortex-M4 model has its FPU switched on at reset, without CPACR.
- Unicorn's own time limit costs 1 ms a call, its instruction limit makes code several times slower. Here a
  watchdog thread ends a call after `seconds`; an instruction limit is there for who asks for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unicorn import Uc, UcError, arm_const, riscv_const, unicorn_const

from insitu.errors import InsituError
from insitu.sim.count import Counter, lengths
from insitu.sim.memory import PAGE, Memory, Region

# Calls return to a page of their own, and start on a stack of their own.
RETURN = 0x7F000000
MAIN_STACK = 0x7F100000
MAIN_STACK_SIZE = 64 * 1024
_BX_LR, _BX_LR_AT = b"\x70\x47", 16

_READ, _WRITE, _EXEC = unicorn_const.UC_PROT_READ, unicorn_const.UC_PROT_WRITE, unicorn_const.UC_PROT_EXEC


@dataclass(frozen=True, slots=True)
class _Model:
    arch: int
    mode: int
    model: int
    pc: int
    sp: int
    link: int
    arguments: tuple[int, ...]
    code_bit: int
    trap: bytes  # an instruction that must not be reached
    exceptions: dict[int, str]
    refused: Callable[[int], bool] | None = None  # halfwords that begin instructions which the CPU does not have


_ARM_EXCEPTIONS = {
    1: "invalid instruction",
    2: "svc",
    3: "unmapped fetch",
    4: "misaligned access",
    7: "breakpoint",
    17: "no coprocessor",
    18: "not Thumb",
}
_RISCV_EXCEPTIONS = {2: "invalid instruction", 3: "breakpoint", 8: "ecall", 11: "ecall"}


def _not_armv6m(half: int) -> bool:
    """CBZ and CBNZ, IT, SETEND (ARMv7-M Architecture Reference Manual, A5.2.5; ARMv6-M's, A5.2.5, lacks them)."""
    return half & 0xF500 == 0xB100 or (half & 0xFF00 == 0xBF00 and half & 15 != 0) or half & 0xFFF7 == 0xB650


def _cortex_m(model: int, refused: Callable[[int], bool] | None = None) -> _Model:
    a = arm_const
    return _Model(
        unicorn_const.UC_ARCH_ARM,
        unicorn_const.UC_MODE_THUMB,
        model,
        a.UC_ARM_REG_PC,
        a.UC_ARM_REG_SP,
        a.UC_ARM_REG_LR,
        (a.UC_ARM_REG_R0, a.UC_ARM_REG_R1, a.UC_ARM_REG_R2, a.UC_ARM_REG_R3),
        1,
        b"\x00\xbe",
        _ARM_EXCEPTIONS,
        refused,
    )


def _rv32() -> _Model:
    r = riscv_const
    return _Model(
        unicorn_const.UC_ARCH_RISCV,
        unicorn_const.UC_MODE_RISCV32,
        r.UC_CPU_RISCV32_ANY,
        r.UC_RISCV_REG_PC,
        r.UC_RISCV_REG_SP,
        r.UC_RISCV_REG_RA,
        (r.UC_RISCV_REG_A0, r.UC_RISCV_REG_A1, r.UC_RISCV_REG_A2, r.UC_RISCV_REG_A3),
        0,
        b"\x02\x90",
        _RISCV_EXCEPTIONS,
    )


_MODELS = {
    "cortex-m0plus": _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M0, _not_armv6m),
    "cortex-m3": _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M3),
    "cortex-m4f": _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M4),
    "cortex-m7": _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M7),
    "cortex-m33": _cortex_m(arm_const.UC_CPU_ARM_CORTEX_M33),
    "rv32imc": _rv32(),
}
CPUS = tuple(_MODELS)

_ACCESSES = {
    unicorn_const.UC_MEM_READ_UNMAPPED: "unmapped read",
    unicorn_const.UC_MEM_WRITE_UNMAPPED: "unmapped write",
    unicorn_const.UC_MEM_FETCH_UNMAPPED: "unmapped fetch",
    unicorn_const.UC_MEM_READ_PROT: "unmapped read",
    unicorn_const.UC_MEM_WRITE_PROT: "write to flash",
    unicorn_const.UC_MEM_FETCH_PROT: "fetch from RAM",
}


class CpuFault(InsituError):
    """The simulated CPU stopped where a real one would fault, or did not come to an end."""

    def __init__(self, kind: str, pc: int, address: int | None = None) -> None:
        at = "" if address is None else f" at 0x{address:08x}"
        super().__init__(f"{kind}{at}, pc 0x{pc:08x}")
        self.kind = kind
        self.pc = pc
        self.address = address


class _Watchdog:
    """One thread that stops CPUs which have run for too long."""

    def __init__(self) -> None:
        self._deadlines: dict[Uc, float] = {}
        self._thread: threading.Thread | None = None

    def start(self, uc: Uc, seconds: float) -> None:
        self._deadlines[uc] = time.monotonic() + seconds
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._watch, name="insitu-watchdog", daemon=True)
            self._thread.start()

    def stop(self, uc: Uc) -> None:
        self._deadlines.pop(uc, None)

    def _watch(self) -> None:
        while True:
            time.sleep(0.1)
            now = time.monotonic()
            for uc, deadline in list(self._deadlines.items()):
                if now > deadline:
                    uc.emu_stop()


_watchdog = _Watchdog()


class Cpu:
    """A CPU with no memory but a main stack; map_flash and map_ram give it more.

    Attributes:
        cpu: its name, one of CPUS.
        memory: what is mapped.
        heaps: what port/heap/heap.py notes of the heaps in memory.
        seconds: how long a call may take; instructions: how many it may execute (None: any number).
    """

    def __init__(self, target: str, seconds: float = 120.0, instructions: int | None = None) -> None:
        if target not in _MODELS:
            raise InsituError(f'no simulated CPU "{target}"; there are: {", ".join(CPUS)}')
        self.cpu = target
        self.memory = Memory()
        self.seconds = seconds
        self.instructions = instructions
        self.counter: Counter | None = None
        self.heaps: list[tuple[int, int, int]] = []
        self._model = _MODELS[target]
        self._mapped: set[int] = set()
        self._stopped_by: tuple[str, int | None] | None = None
        self._uc = Uc(self._model.arch, self._model.mode, self._model.model)
        self._uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_access)
        self._uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_exception)
        self._uc.hook_add(unicorn_const.UC_HOOK_INSN_INVALID, self._on_invalid)
        self.map_flash(RETURN, self._model.trap * (PAGE // 2))
        self.map_ram(MAIN_STACK, MAIN_STACK_SIZE)
        if self._model.refused:
            self._look_through_blocks()

    @property
    def uc(self) -> Uc:
        """Unicorn's engine."""
        return self._uc

    @property
    def code_bit(self) -> int:
        """What is added to a code address that is called."""
        return self._model.code_bit

    def map_flash(self, address: int, data: bytes | bytearray | memoryview, size: int = 0) -> Region:
        """Read-only, executable memory of at least size bytes that holds data, and 0xFF after it."""
        used = len(data)
        size = (max(used, size, 1) + PAGE - 1) & -PAGE
        region = self.memory.map(address, size, writable=False)
        region.raw[:] = bytes(data) + b"\xff" * (size - used)
        self._attach()
        return region

    def map_ram(self, address: int, size: int) -> Region:
        """Readable, writable memory, zeros, rounded up to whole pages."""
        region = self.memory.map(address, (size + PAGE - 1) & -PAGE, writable=True)
        self._attach()
        return region

    def map_block(self, size: int) -> int:
        """RAM of its own for size bytes, with nothing behind them; unmap() takes it away."""
        address = self.memory.map_buffer(size)
        self._attach()
        return address

    def unmap(self, address: int) -> None:
        """Take the whole region around address away: whoever touches it from now on faults."""
        region = self.memory.unmap(address)
        self._mapped.discard(region.address)
        self._uc.mem_unmap(region.address, region.end - region.address)

    def program(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Write flash, as a programmer would."""
        region = self.memory.region(address, len(data))
        start = address - region.address
        region.raw[start : start + len(data)] = data
        self._uc.ctl_flush_tb()

    def addressof(self, buffer: Any) -> int:
        """A buffer's simulated RAM address (see Memory.addressof)."""
        address = self.memory.addressof(buffer)
        self._attach()
        return address

    def view(self, address: int, size: int) -> memoryview:
        """The bytes there (see Memory.view)."""
        return self.memory.view(address, size)

    def call(self, address: int, *args: int) -> int:
        """Call code at address with up to four words; its first result word, unsigned.

        An address with Thumb's bit is as good as one without. Raises CpuFault.
        """
        model, uc = self._model, self._uc
        if len(args) > len(model.arguments):
            raise InsituError(f"a call takes at most {len(model.arguments)} arguments, not {len(args)}")
        if model.arch == unicorn_const.UC_ARCH_ARM:
            uc.reg_write(arm_const.UC_ARM_REG_CONTROL, 0)  # a fault may have left it on PSP
        uc.reg_write(model.sp, MAIN_STACK + MAIN_STACK_SIZE)
        uc.reg_write(model.link, RETURN | model.code_bit)
        for register, value in zip(model.arguments, args, strict=False):
            uc.reg_write(register, value & 0xFFFFFFFF)
        self._run(address | model.code_bit)
        return int(uc.reg_read(model.arguments[0]))

    def registers(self) -> dict[str, int]:
        """pc, sp and link register as the last call left them."""
        model = self._model
        return {name: int(self._uc.reg_read(getattr(model, name))) for name in ("pc", "sp", "link")}

    @contextmanager
    def counting(self) -> Iterator[Counter]:
        """Count the instructions that calls inside execute; contexts do not nest."""
        if self.counter is not None:
            raise InsituError("this CPU's instructions are being counted already")
        self.counter = Counter(self.memory, self.code_bit, skip=RETURN)
        self._uc.ctl_flush_tb()
        hook = self._uc.hook_add(unicorn_const.UC_HOOK_BLOCK, self.counter.on_block)
        try:
            yield self.counter
        finally:
            self._uc.hook_del(hook)
            self._uc.ctl_flush_tb()
            self.counter.finish()
            self.counter = None

    def _attach(self) -> None:
        for region in self.memory.regions:
            if region.address not in self._mapped:
                self._mapped.add(region.address)
                rights = _READ | (_WRITE if region.writable else _EXEC)
                self._uc.mem_map_ptr(region.address, region.end - region.address, rights, region.host)

    def _look_through_blocks(self) -> None:
        self.program(RETURN + _BX_LR_AT, _BX_LR)
        self.call(RETURN + _BX_LR_AT)  # the first block of all
        self._uc.hook_add(unicorn_const.UC_HOOK_EDGE_GENERATED, self._on_new_block)

    def _run(self, start: int) -> None:
        uc = self._uc
        self._stopped_by = None
        _watchdog.start(uc, self.seconds)
        try:
            uc.emu_start(start, RETURN, count=self.instructions or 0)
        except UcError as error:
            self._stopped_by = self._stopped_by or (str(error), None)
        finally:
            _watchdog.stop(uc)
        pc = int(uc.reg_read(self._model.pc))
        if self._stopped_by is None and pc == RETURN:
            return
        if self._model.refused:
            uc.ctl_flush_tb()  # a block that was refused is new again
        kind, address = self._stopped_by or ("limit", None)
        if self.counter is not None:
            self.counter.cut(pc)
        raise CpuFault(kind, pc, address)

    def _on_access(self, uc: Uc, access: int, address: int, size: int, value: int, data: Any) -> bool:
        self._stopped_by = (_ACCESSES.get(access, f"access {access}"), address & 0xFFFFFFFF)
        return False

    def _on_exception(self, uc: Uc, number: int, data: Any) -> None:
        kind = self._model.exceptions.get(number, f"exception {number}")
        self._stopped_by = (kind, int(uc.reg_read(self._model.pc)) if "fetch" in kind else None)
        uc.emu_stop()

    def _on_new_block(self, uc: Uc, block: Any, before: Any, data: Any) -> None:
        at, refused = block.pc, self._model.refused
        code = self.memory.view(at, block.size) if block.size else b""
        for size in lengths(code, thumb=True):
            half = code[at - block.pc] | code[at - block.pc + 1] << 8
            if size == 2 and refused is not None and refused(half):
                self._stopped_by = ("invalid instruction", None)
                uc.emu_stop()
                return
            at += size

    def _on_invalid(self, uc: Uc, data: Any) -> bool:
        self._stopped_by = ("invalid instruction", None)
        return False
