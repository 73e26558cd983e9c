"""A wheel, installed in an empty environment outside of the checkout, has all that a user needs without a board."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import click
import pytest
import wasmtime
from insitu.board import boards
from insitu.places import CHECKOUT
from mypy import api

from tests.docs.page import blocks, check, commands

_SOURCES = ("host_tools", "port", "boards", "firmware", "insitu-stubs", "pyproject.toml", "README.md", "LICENSE")
_ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


def _run(*command: object, folder: Path) -> str:
    """What a command prints, started in folder, which is its user's home; of programs it finds those beside it."""
    environment = {"PATH": str(Path(str(command[0])).parent), "HOME": str(folder)}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="module")
def insitu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, of a wheel that was built from a copy of the sources; its dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in _SOURCES:
        path = CHECKOUT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        (shutil.copytree(path, source / name, ignore=ignored) if path.is_dir() else shutil.copy(path, source / name))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "wheel", "-q", source, "--no-deps", "--no-build-isolation", "-w", folder, folder=folder)
    shutil.rmtree(source)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("insitu-*.whl")
    _run(*pip, "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, folder=folder)
    (packages,) = (folder / "venv").glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(click.__file__).parents[1]}\n")
    where = _run(python, "-c", "import insitu; print(insitu.__file__)", folder=folder)
    assert Path(where.strip()).is_relative_to(packages)
    return python.with_name("insitu")


@pytest.mark.slow
def test_boards(insitu: Path, tmp_path: Path) -> None:
    _, *lines = _run(insitu, "boards", folder=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == [*boards.names(), *(board.name for board in boards.unsupported())]


def test_types_of_the_package_on_a_board(insitu: Path, tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(
        "import insitu\nfrom insitu.aot import compile_wasm\nreveal_type(insitu.Runtime())\n"
    )
    options = ("--config-file=", "--no-incremental", f"--python-executable={insitu.parent / 'python'}")
    said, _, status = api.run([*options, str(tmp_path / "use.py")])
    assert (status, 'Revealed type is "insitu.runtime.Runtime"' in said) == (0, True), said


@pytest.mark.slow
@pytest.mark.parametrize(("board", "suffix"), [("rpi_pico", ".uf2"), ("qemu_rv32", ".hex")])
def test_an_image_and_a_file_for_a_programmer(insitu: Path, tmp_path: Path, board: str, suffix: str) -> None:
    (tmp_path / "app.wasm").write_bytes(bytes(wasmtime.wat2wasm(_ADD)))
    _run(insitu, "build", "app.wasm", "-b", board, folder=tmp_path)
    made = tmp_path / f"app{suffix}"
    said = _run(insitu, "flash", "app.xip", "-b", board, "--to", made, folder=tmp_path)
    assert said.startswith(f"{made}: ")
    assert made.stat().st_size >= (tmp_path / "app.xip").stat().st_size
    call = ("run", "app.xip", "-b", board, "--sim", "--invoke", "add", "2", "3")
    assert _run(insitu, *call, folder=tmp_path) == "5\n"


@pytest.mark.slow
def test_the_first_minute(insitu: Path, tmp_path: Path) -> None:
    """README's first program and the commands under it, but for the board at the port."""
    source, *others = [block for block in blocks(CHECKOUT / "README.md") if block.kind in ("c", "console")]
    assert len(source.text.splitlines()) <= 10
    (tmp_path / source.file).write_text(source.text)
    began = time.monotonic()
    for command, lines in list(commands(others[0]))[:2]:
        check(CHECKOUT / "README.md", command, lines or [], _run(insitu, *command.split()[1:], folder=tmp_path))
    assert time.monotonic() - began < 60


# A compiler that makes what it is told to of nothing.
_MAKE = """#!/bin/sh
for word; do case $word in BUILD=*) mkdir -p ${word#BUILD=} && echo made > ${word#BUILD=}/firmware.elf ;; esac; done
"""


@pytest.mark.slow
def test_firmware_is_built_on_request(insitu: Path, tmp_path: Path) -> None:
    """As the error says where there is none, into the user's own folder; what it needs is named if it is not there."""
    tree, programs = tmp_path / "micropython", tmp_path / "programs"
    for folder in (tree / "ports" / "qemu", tree / "mpy-cross" / "build", programs):
        folder.mkdir(parents=True)
    (tree / "mpy-cross" / "build" / "mpy-cross").touch()
    environment = {"HOME": str(tmp_path), "PATH": str(programs), "MICROPY_DIR": str(tree)}

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([insitu, *words], capture_output=True, text=True, check=False, env=environment)
        return done.returncode, done.stdout, done.stderr

    status, _, said = run("run", "app.xip", "-b", "qemu_rv32")
    assert (status, "app.xip: No such file") == (1, said[8:29])
    status, _, said = run("firmware", "-b", "qemu_rv32")
    assert (status, said.startswith("insitu: no firmware for qemu_rv32: `insitu ")) == (1, True)
    build = said.split("`")[1].split()[1:]
    status, _, said = run(*build)
    assert (status, said.count("\n")) == (1, 1)
    assert "on Debian, apt-get install make gcc gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf" in said
    for name in ("make", "gcc", "riscv64-unknown-elf-gcc"):
        (programs / name).write_text(_MAKE.replace("mkdir", str(shutil.which("mkdir"))))
        (programs / name).chmod(0o755)
    status, made, _ = run(*build)
    assert (status, Path(made.strip()).read_text()) == (0, "made\n")
    assert Path(made.strip()).is_relative_to(tmp_path)
    assert run("firmware", "-b", "qemu_rv32") == (0, made, "")
