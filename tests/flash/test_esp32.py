"""ESP32 writes and maps its own flash: port/platform's programs on a model of MMU, cache and partitions."""

from __future__ import annotations

import ast
import builtins
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
from capstone import CS_ARCH_RISCV, CS_MODE_RISCV32, CS_MODE_RISCVC, Cs
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash import device
from insitu.flash.file import FORMATS
from insitu.flash.mapped import map_images
from insitu.flash.write import verify
from insitu.flash.writer import Target
from insitu.image.read import ImageError, read
from insitu.link.runner import DeviceError
from insitu.mpy.cross import compile_source
from insitu.mpy.read import VIPER
from insitu.mpy.read import read as read_mpy
from insitu.package.names import PORT
from insitu.steps import silent
from unicorn import UC_PROT_READ

from tests.cli.conftest import Command, refused
from tests.flash.esp32_flash import CHIPS, PAGE, SECTOR, STOCK, Board, Esp32, MmuFault, some_image

OFFSET = 0x300000  # of the partition
WITH_IMAGES = STOCK.replace("0x200000, 0x200000", "0x200000, 0x100000") + f"insitu, data, 0x06, {OFFSET:#x}, 0x100000,"
BOTH = pytest.mark.parametrize("name", CHIPS)
CUTS = 40


def _target(name: str, model: Esp32) -> Any:
    return Target(load_board(name), Board(model))  # type: ignore[arg-type]


def _map(name: str, model: Esp32) -> None:
    map_images(Board(model), load_board(name), package=False)


# --- the mapping ---


@BOTH
def test_the_partition_is_seen_where_the_board_has_its_images(name: str) -> None:
    model, board = Esp32(name, WITH_IMAGES), load_board(name)
    with pytest.raises(MmuFault):
        model.view(board.image.address, 1)
    before = list(model.entries)
    _map(name, model)
    images = bytes(model.flash[OFFSET : OFFSET + 0x100000])
    for window in model.chip.windows:
        moved = board.image.address - board.chip.flash.address + window
        assert model.view(moved, board.image.size) == images
    assert board.image.end == board.chip.flash.end == model.chip.windows[0] + PAGE * model.chip.entries
    used = len(model.entries) - 16
    assert model.entries[:used] == before[:used] and model.written == list(range(used, len(model.entries)))
    assert model.interrupts
    _map(name, model)  # again, as after a soft reset
    assert model.view(board.image.address, 64) == images[:64]


@BOTH
def test_what_the_cache_holds_is_forgotten(name: str) -> None:
    model, board = Esp32(name, WITH_IMAGES), load_board(name)
    _map(name, model)
    starts = [board.image.address - board.chip.flash.address + window for window in model.chip.windows]
    firmware = [window for window in model.chip.windows]
    old = [model.view(start, SECTOR) for start in (*starts, *firmware)]
    model.flash[:] = bytes(byte ^ 0xFF for byte in model.flash)
    assert [model.view(start, SECTOR) for start in (*starts, *firmware)] == old
    model.flash[0x8000:0x9000] = Esp32(name, WITH_IMAGES).flash[0x8000:0x9000]
    _map(name, model)
    new = [model.view(start, SECTOR) for start in (*starts, *firmware)]
    assert all(bytes(byte ^ 0xFF for byte in a) == b for a, b in zip(old, new[: len(starts)], strict=False))
    assert new[len(starts) :] == old[len(starts) :]  # of nothing else


_WRONG: dict[str, tuple[str, Callable[[Esp32], object], str]] = {
    "no partition": (STOCK, lambda _: None, "no partition insitu: make it with `insitu partition`"),
    "not at a page": (
        WITH_IMAGES.replace("0x300000, 0x1", "0x308000, 0x0"),
        lambda _: None,
        "does not begin at a page",
    ),
    "too small": (
        WITH_IMAGES.replace("0x300000, 0x100000", "0x300000, 0xff000"),
        lambda _: None,
        "has less than 1 MiB",
    ),
    "encrypted": (WITH_IMAGES + "encrypted", lambda _: None, "partition insitu is encrypted, or"),
    "in use": (WITH_IMAGES, lambda model: model.entries.__setitem__(-3, model.used(9)), "of the flash MMU is in use"),
    "other pages": (WITH_IMAGES, lambda model: setattr(model, "page_mode", 1), "has not pages of 64 KiB"),
    "another chip": (
        WITH_IMAGES,
        lambda model: setattr(model, "chip", replace(model.chip, name="ESP32H2")),
        "flash of ESP32H2 is not mapped",
    ),
}


@pytest.mark.parametrize("case", _WRONG)
def test_what_cannot_be_mapped_is_named(case: str) -> None:
    partitions, change, says = _WRONG[case]
    model = Esp32("esp32c6", partitions)
    change(model)
    before = list(model.entries)
    with pytest.raises(InsituError, match=f"^esp32c6: .*{says}") as caught:
        _map("esp32c6", model)
    assert "\n" not in str(caught.value)
    assert model.entries == before and model.interrupts


def test_entries_are_written_by_code_that_calls_nothing() -> None:
    """A call would be one into flash, which the cache would have to load meanwhile."""
    source = (PORT / "platform" / "mapped_flash.py").read_text()
    functions = [
        code for code in read_mpy(compile_source(source, "rv32imc", "x.py", "-O3")).body.walk() if code.kind == VIPER
    ]
    decoder = Cs(CS_ARCH_RISCV, CS_MODE_RISCV32 | CS_MODE_RISCVC)
    for function in functions:
        lines = [f"{found.mnemonic} {found.op_str}" for found in decoder.disasm(function.data, 0)]
        calls = [i for i, line in enumerate(lines) if re.match(r"c\.jalr |jalr ra|jal ra", line)]
        stores = [i for i, line in enumerate(lines) if re.match(r"(c\.)?sw [^(]*\((?!sp)", line)]
        # objects become words before, the result becomes one after
        before, after = max(i for i in calls if i < stores[0]), min(i for i in calls if i > stores[0])
        assert before < stores[0] <= stores[-1] < after == calls[-1]
    assert len(functions) == 2


# --- writing ---


@BOTH
def test_writes_what_it_is_told_and_nothing_else(name: str) -> None:
    model, board = Esp32(name, WITH_IMAGES), load_board(name)
    before, data, told = bytes(model.flash), random.Random(5).randbytes(9001), []
    target = _target(name, model)
    _map(name, model)
    assert model.view(board.image.address, 9001) != data  # and is in the cache now
    device.write(target, board.image.address, data, lambda *done: told.append(done))
    verify(target.link, board.image.address, data, name)
    written = data.ljust(3 * SECTOR, b"\xff")
    assert model.flash == before[:OFFSET] + written + before[OFFSET + len(written) :]
    assert told[-1] == (9216, 9216)


@BOTH
def test_power_cuts(name: str) -> None:
    """Whatever is left is the old image, the new one or none, and nothing outside of the partition changed."""
    old, new, found = some_image(1), some_image(2), []
    operations = 3 + -(-len(new) // 256)
    for seed in range(CUTS):
        model = Esp32(name, WITH_IMAGES, seed)
        model.flash[OFFSET : OFFSET + len(old)] = old
        before = bytes(model.flash)
        model.left = random.Random(seed).randrange(operations)
        with pytest.raises(InsituError, match="the board is gone"):
            device.write(_target(name, model), load_board(name).image.address, new, silent)
        assert model.flash[:OFFSET] == before[:OFFSET]
        assert model.flash[OFFSET + 3 * SECTOR :] == before[OFFSET + 3 * SECTOR :]
        try:
            found.append(read(bytes(model.flash[OFFSET:])).data)
        except ImageError:
            found.append(None)
    assert set(found) <= {None, old, new} and found.count(None) > CUTS // 2


_REFUSED = {
    "no partition": (STOCK, 100, "no partition insitu: make it with `insitu partition`"),
    "too large": (WITH_IMAGES, 0x100001, "the bytes would lie at 0x3c700000 to 0x3c8000ff"),
}


@pytest.mark.parametrize("case", _REFUSED)
def test_refused_before_anything_is_changed(case: str) -> None:
    partitions, size, says = _REFUSED[case]
    model = Esp32("esp32c3", partitions)
    before = bytes(model.flash)
    with pytest.raises(InsituError, match=says) as caught:
        device.write(_target("esp32c3", model), load_board("esp32c3").image.address, bytes(size), silent)
    assert not isinstance(caught.value, DeviceError) and "\n" not in str(caught.value)
    assert model.flash == before


def test_what_does_not_read_back_is_named() -> None:
    model = Esp32("esp32c3", WITH_IMAGES)
    model.operation = lambda at, data: None  # type: ignore[method-assign]
    with pytest.raises(InsituError, match="flash at 0x3c700100 does not read back what was programmed"):
        device.write(_target("esp32c3", model), load_board("esp32c3").image.address, bytes(300), silent)


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_file_has_the_address(insitu: Command, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "app.xip"
    path.write_bytes(some_image(1))
    done = insitu("flash", path, "-b", "esp32c3", "--to", tmp_path / f"app{suffix}")
    refused(done, "esp32c3: images go into a partition, of which a file does not know the place")


# --- running ---


def test_without_a_port(insitu: Command, tmp_path: Path) -> None:
    path = tmp_path / "app.xip"
    path.write_bytes(some_image(1))
    refused(insitu("run", path, "-b", "esp32c3", "--invoke", "sum", 9000), "esp32c3 has no emulator: give --port")
    done = insitu("run", path, "-b", "esp32c3", "--sim", "--invoke", "sum", 9000, "--heap", 150000)
    assert done.out == f"{sum(random.Random(1).randbytes(9001)[1:])}\n"


def _executable() -> Callable[[int], int]:
    """That of port/platform/rv32.py, whose assembler CPython cannot import, on a firmware that has esp32."""
    tree = ast.parse((PORT / "platform" / "rv32.py").read_text())
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign)
        or (isinstance(node, ast.FunctionDef) and node.name in ("_is_esp", "executable"))
    ]
    firmware = {**vars(builtins), "__import__": lambda *_: None}
    names: dict[str, Any] = {"__builtins__": firmware}
    exec(compile(tree, "rv32.py", "exec"), names)
    return names["executable"]  # type: ignore[no-any-return]


@BOTH
def test_an_image_runs_where_it_is_mapped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read through the data window, where nothing can be executed on ESP32-C3, and executed through the other."""
    from insitu import port
    from insitu.port import platform

    model, board, data = Esp32(name, WITH_IMAGES), load_board(name), some_image(3)
    device.write(_target(name, model), board.image.address, data, silent)
    cpu = insitu.sim.install(insitu.sim.Cpu(board.target))
    alias = model.chip.windows[-1] - model.chip.windows[0]
    monkeypatch.setattr(platform, "executable", _executable())
    for moved in {0, alias}:
        cpu.map_flash(board.image.address + moved, model.view(board.image.address + moved, len(data)))
    if alias:
        cpu.uc.mem_protect(board.image.address, -(-len(data) // SECTOR) * SECTOR, UC_PROT_READ)
    instance = port.Runtime(bytearray(150_000)).load(board.image.address).instantiate(stack_size=1024)
    assert instance.exports.sum(9000) == sum(random.Random(3).randbytes(9001)[1:])
