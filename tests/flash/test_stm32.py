"""STM32 programs its own flash: port/platform's program on a model of the controllers, whose rules are tested, too."""

from __future__ import annotations

import ast
import dataclasses
import random
from typing import Any

import pytest
from insitu.board.boards import load_board
from insitu.board.record import Region
from insitu.errors import InsituError
from insitu.flash import device
from insitu.flash.write import verify
from insitu.flash.writer import Target
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.steps import silent

from tests.flash import cuts
from tests.flash.board import Board
from tests.flash.stm32_flash import BASE, FAMILIES, Stm32

WRITES = 40  # of each board; python -m tests.flash makes more
boards = pytest.mark.parametrize("name", cuts.BOARDS)


def _target(name: str, made: Stm32) -> Any:
    return Target(load_board(name), Board(made))  # type: ignore[arg-type]


@boards
def test_power_cuts(name: str) -> None:
    found = [cuts.one_cut(name, seed) for seed in range(WRITES)]
    assert found.count("none") > WRITES // 2


@boards
def test_writes_what_it_is_told_and_nothing_else(name: str) -> None:
    """Over an image that is there; what is read back comes from flash, not from a cache that holds what was before."""
    made, board = cuts.model(name, 0), load_board(name)
    start = board.image.address - BASE
    made.fill(start, bytes(5000))
    before, data = bytes(made.flash), random.Random(5).randbytes(9001)
    target, told = _target(name, made), []
    device.write(target, board.image.address, data, lambda *done: told.append(done))
    verify(target.link, board.image.address, data, name)
    size = next(sector.size for sector in board.chip.sectors_in(board.image))
    erased = -(-len(data) // size) * size
    assert made.erased == [board.image.address + at for at in range(0, erased, size)]
    assert made.flash == before[:start] + data.ljust(erased, b"\xff") + before[start + erased :]
    assert told == [(4096, 9216), (5120, 9216), (9216, 9216)]
    assert made.interrupts and all(made._locked)


@boards
def test_the_last_sector(name: str) -> None:
    """In a second bank, where sectors are counted anew, or with the largest number that a field has."""
    made, board = cuts.model(name, 0), load_board(name)
    last = board.chip.sectors_in(board.image)[-1]
    device.write(_target(name, made), last.address, b"\x5a" * 256, silent)
    assert made.erased == [last.address]
    assert made.flash[last.address - BASE :][:256] == b"\x5a" * 256


@boards
def test_what_is_not_free_is_left_alone(name: str) -> None:
    made, board = cuts.model(name, 0), load_board(name)
    before, target = bytes(made.flash), _target(name, made)
    with pytest.raises(InsituError, match=f"{name} has 0x0.* for images"):
        device.write(target, board.image.address - 4096, b"1", silent)
    for ask in (f"erase({BASE})", f"erase({board.written.end})", f"program({board.image.address - 32}, 0, 64)"):
        with pytest.raises(DeviceError, match="are not in the place for images"):
            target.link.run(ask)
    wide = dataclasses.replace(board, image=Region(board.image.address - 4096, 8192))
    made.fill(board.image.address - 4096 - 1, b"\0")
    with pytest.raises(InsituError, match=f"{name}: the firmware on the board reaches up to 0x0"):
        device.write(dataclasses.replace(target, board=wide), wide.image.address, b"1", silent)
    assert made.flash[: board.image.address - BASE - 4097] == before[: board.image.address - BASE - 4097]
    assert not made.erased


def test_the_middle_of_a_sector() -> None:
    made = cuts.model("pybv11", 0)
    with pytest.raises(
        InsituError, match="0x08081000 is in the middle of a sector of pybv11: 0x08080000 to 0x0809ffff"
    ):
        device.write(_target("pybv11", made), 0x08081000, b"1", silent)
    assert not made.erased


# Write protection, and an operation that did not succeed: RM0090, RM0410, RM0433, RM0434.
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("pybv11", 1 << 4),
        ("nucleo_f767", 1 << 4),
        ("nucleo_h743", 1 << 17),
        ("nucleo_wb55", 1 << 4),
        ("pybv11", 1 << 1),
    ],
)
def test_errors_of_the_controller(name: str, flags: int) -> None:
    made, board = cuts.model(name, 0), load_board(name)
    made.stuck = flags
    with pytest.raises(InsituError, match=f"^{name}: flash controller: status {flags:#x}"):
        device.write(_target(name, made), board.image.address, b"1" * 300, silent)
    assert made.interrupts and all(made._locked)
    made.stuck = 0  # and old flags do not stand in the way of the next one
    device.write(_target(name, made), board.image.address, b"1" * 300, silent)


@boards
def test_a_controller_that_was_given_a_wrong_key(name: str) -> None:
    made, board = cuts.model(name, 0), load_board(name)
    family = FAMILIES[board.chip.controller]
    for bank in range(2 if family.bank else 1):
        made[family.registers + family.keyr + 0x100 * bank] = 0x12345678
    with pytest.raises(InsituError, match=f"^{name}: flash controller: it stays locked until the board is reset"):
        device.write(_target(name, made), board.image.address, b"1", silent)


@pytest.mark.parametrize(("name", "changed"), [("nucleo_f767", 1 << 29), ("nucleo_h743", 1 << 31)])
def test_banks_that_are_elsewhere(name: str, changed: int) -> None:
    """Two banks instead of one, banks swapped: the sectors have other numbers then."""
    made, board = cuts.model(name, 0), load_board(name)
    made.options ^= changed
    with pytest.raises(InsituError, match=f"^{name}: option bytes: the banks are not as they are delivered"):
        device.write(_target(name, made), board.image.address, b"1", silent)
    assert not made.erased


# --- the model minds ---

# What is wrong in the program as it is sent, and on which board that shows.
_WRONG = {
    "no keys": ("pybv11", "mem32[_KEY + bank] = key", "pass"),
    "data cache kept": ("nucleo_f767", "mem32[_DCIMVAC] = line", "pass"),
    "caches kept": ("nucleo_wb55", "mem32[_ACR] = before & ~_ENABLE | _RESET", "pass"),
    "caches reset while on": ("pybv11", "before & ~_ENABLE | _RESET", "before | _RESET"),
    "bytes for words": ("pybv11", f"{0x201}", "1"),
    "not waiting": ("nucleo_h743", "            _wait(bank)\n    _unlocked", "            pass\n    _unlocked"),
    "interrupts on": ("pybv11", "interrupts = disable_irq()", "interrupts = True"),
    "the second bank by the first's registers": ("nucleo_h743", "_BANK = 256", "_BANK = 0"),
}


@pytest.mark.parametrize("what", _WRONG)
def test_a_wrong_program_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, old, new = _WRONG[what]
    made, board = cuts.model(name, 0), load_board(name)
    made.fill(board.image.address - BASE, bytes(1000))
    whole = device.program(board)
    assert whole.count(old) >= 1
    monkeypatch.setattr(device, "program", lambda _: whole.replace(old, new))
    target = _target(name, made)
    with pytest.raises((InsituError, AssertionError)):
        device.write(target, board.image.address, b"\x5a" * 300, silent)
        verify(target.link, board.image.address, b"\x5a" * 300, name)


# --- on MicroPython ---

# Registers that note what is written to them and unlock, erase and lock; all other addresses are the machine's own, the
# caches' registers of its Cortex-M7 among them.
_REGISTERS = """
import sys, machine, uctypes
class Registers:
    own, log, locked = machine.mem32, [], True
    def __getitem__(self, address):
        if address == CONTROL: return LOCK if self.locked else 0
        if address == OPTIONS: return DELIVERED
        return 0 if address >> 8 == CONTROL >> 8 else self.own[address]
    def __setitem__(self, address, value):
        if address >> 8 != CONTROL >> 8:
            self.own[address] = value
            return
        self.log.append((address & 255, value & 0xffffffff))
        if address == CONTROL and value == LOCK: self.locked = True
        elif address == CONTROL and value & GO and not self.locked: self.erase(*SECTOR)
        elif value == 0xCDEF89AB: self.locked = False
    def erase(self, address, size): uctypes.bytearray_at(address, size)[:] = b'\\xff' * size
class Machine:
    mem32 = Registers()
    disable_irq, enable_irq = staticmethod(lambda: 5), staticmethod(lambda before: None)
sys.modules['machine'] = Machine
"""
# In the order of the manuals: keys (RM0410 3.3.6), flags cleared, CR with the sector's number, then with STRT; locked.
_F7_ERASE = [(0x04, 0x45670123), (0x04, 0xCDEF89AB), (0x0C, 0xF3), (0x10, 0x25A), (0x10, 0x1025A), (0x10, 1 << 31)]
_F7_PROGRAM = [*_F7_ERASE[:3], (0x10, 0x201), (0x10, 1 << 31)]


@pytest.mark.qemu
def test_the_program_on_micropython() -> None:
    """The firmware's own Python runs it, barriers and caches included: sector 11 of an STM32F767, moved into memory."""
    real, machine = load_board("nucleo_f767"), load_board("qemu_mps2_an500")
    sector = Region(machine.image.address + 0x40000, 0x40000)
    chip = dataclasses.replace(real.chip, flash=Region(sector.end - real.chip.flash.size, real.chip.flash.size))
    board = dataclasses.replace(real, chip=chip, image=sector)
    names = {"CONTROL": 0x40023C10, "OPTIONS": 0x40023C14, "DELIVERED": 0xFFFFAAFD, "LOCK": 1 << 31, "GO": 1 << 16}
    data = random.Random(6).randbytes(1000)
    with emulated(machine, []) as started, started.link() as link:
        constants = "".join(f"{name} = {value:#x}\n" for name, value in names.items())
        setup = f"{constants}SECTOR = {sector.address:#x}, {sector.size:#x}\n{_REGISTERS}"
        reset = link.soft_reset
        link.soft_reset = lambda: (reset(), link.run(setup))  # type: ignore[method-assign,assignment]
        device.write(Target(board, link), sector.address, data, silent)
        log = ast.literal_eval(link.run("print(Machine.mem32.log)").decode())
        verify(link, sector.address, data, board.name)
    assert log == [*_F7_ERASE, *_F7_PROGRAM, *_F7_PROGRAM]
