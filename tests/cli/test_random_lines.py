"""No command prints a traceback, whatever the line: wrong options, values, files, ports, boards, outputs."""

from __future__ import annotations

import io
import json
import random
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from insitu.cli import verbs
from insitu.link.raw_repl import Link

from tests.cli.conftest import Command

_LINES, _SEEDS = 100, range(5)
_MODULE = """(module (import "env" "f" (func $f (param i32) (result i32))) (memory 1)
  (func (export "add") (param i32 f64) (result f64) (f64.add (f64.convert_i32_s (call $f (local.get 0))) (local.get 1)))
  (func (export "trap") unreachable) (func (export "_start")))"""
_NUMBERS = ("", "x", "-1", "0", "1", "64", "0x10", "1e9", "99999999999", "\u0663", "-" * 9)
_WORDS = ("", "add", "add 1 2", "trap", "_start", "'", "no such", "-", "--", "=", "a=b", "env.f=print", "env.f=1e999")
_WORDS += ("env.f=", "\udcff", "\u2028", "::", "x" * 5000, "[bold]", "%s", "1", "-1", "nan", "0xfffffffffffffffff")
_BOARDS = ("qemu_rv32", "qemu_stm32f405", "rpi_pico", "pybv11", "esp32", "no board", "", "..", "board.toml", "cut.toml")
_PORTS = ("/dev/none", "folder", "empty", "/dev/null", "socket://127.0.0.1:1", "socket://", "rfc2217://127.0.0.1:1")
_PORTS += ("nothing://x", "", "\udcff", "socket://127.0.0.1:99999", "hwgrep://(")
_NOISE = ("noise", "noise.wasm", "noise.xip", "noise.c", "noise.wat", "noise.py", "noise.toml", "noise.romfs")
_NOISE += ("noise.code", "noise.mpy", "\udcff.wasm")
_FILES = (*_NOISE, "app.wasm", "app.xip", "lib=app.wasm", "none", "folder", "empty", "cut.xip", "app.mpy", "image.wasm")
_FILES += ("board.py", "/proc/self/mem", "x" * 300, "", "link", "empty/app.wasm", "-", "a\nb")
_OUTPUTS = ("out", "out.py", "out.uf2", "out.hex", "out.dfu", "out.romfs", "folder", "none/out", "empty/out", "", ".")
_OUTPUTS += ("/dev/full",)


@pytest.fixture
def files(insitu: Command, wasm: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Files of these names in the current folder, and no machine that could be started. What noise is made of."""
    monkeypatch.chdir(tmp_path)
    module = wasm(_MODULE)
    assert insitu("build", module, "-b", "qemu_rv32").status == 0
    noise, image = random.Random(11), Path("app.xip").read_bytes()
    for name in _NOISE:
        Path(name).write_bytes(noise.randbytes(300))
    Path("noise.wasm").write_bytes(b"\0asm\1\0\0\0" + noise.randbytes(300))
    Path("noise.xip").write_bytes(image[:4] + noise.randbytes(300))
    Path("noise.romfs").write_bytes(b"\xd2\xcd\x31" + noise.randbytes(300))
    Path("noise.mpy").write_bytes(b"M\6" + noise.randbytes(300))
    Path("cut.xip").write_bytes(image[:200])
    Path("image.wasm").write_bytes(image)
    Path("app.mpy").write_bytes(b"M\6\0\37\1\0")
    Path("empty").touch()
    Path("folder").mkdir()
    Path("link").symlink_to("link")
    Path("board.py").write_text("imports = {'env': {'f': lambda x: 1 // x}}\n")
    Path("board.toml").write_text('description = 5\nchip = "virt"\n')
    Path("cut.toml").write_text("[firmware\n")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("insitu.places.firmware", lambda board, suffix: tmp_path / f"none{suffix}")
    monkeypatch.setattr("insitu.places.flash_file", lambda board: tmp_path / "flash.bin")
    monkeypatch.setattr("insitu.link.raw_repl.Link._enter_raw", _impatient)
    return noise


def _impatient(link: Link, enter: Callable[[Link], None] = Link._enter_raw) -> None:
    link.timeout = 0.1
    enter(link)


def _values(parameter: click.Parameter) -> tuple[str, ...]:
    kind, name = parameter.type, parameter.name or ""
    if isinstance(kind, click.Choice):
        return (*(choice for choice in kind.choices if choice != "frozen"), "none", "")  # that builds a firmware
    if isinstance(kind, click.IntRange):
        return _NUMBERS
    if name.startswith("board"):
        return _BOARDS
    if name.startswith("port"):
        return _PORTS
    if name in ("output", "made", "applied"):
        return _OUTPUTS
    return _FILES if isinstance(kind, click.Path) or name == "modules" else _WORDS


def _words(parameter: click.Parameter, choose: random.Random) -> list[str]:
    value = choose.choice(_values(parameter))
    if isinstance(parameter, click.Argument):
        return [value] * choose.choice((1, 1, 1, 1, 0, 2))
    name = choose.choice(parameter.opts)
    if getattr(parameter, "is_flag", False):
        return [name]
    if choose.random() < 0.05:
        return [choose.choice((name[:-1], name, f"{name}x"))]
    return [f"{name}={value}"] if name.startswith("--") and choose.random() < 0.5 else [name, value]


_COMMANDS = [verbs.load(name) for name in verbs.VERBS]


def line(choose: random.Random) -> list[str]:
    """A random command line: what a verb needs most of the time, anything else sometimes."""
    if choose.random() < 0.03:
        return choose.choices(_WORDS, k=choose.randrange(3))
    command = choose.choice(_COMMANDS)
    words = []
    for parameter in command.params:
        needed = parameter.required or isinstance(parameter, click.Argument)
        often = needed or parameter.name in ("board_name", "export")
        if parameter.name not in ("frozen", "help") and choose.random() < (0.95 if often else 0.15):
            words.append(_words(parameter, choose))
    choose.shuffle(words)
    return [command.name or "", *(word for part in words for word in part)]


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_traceback(insitu: Command, files: random.Random, seed: int) -> None:
    choose = random.Random(seed)
    for number in range(_LINES):
        words = line(choose)
        try:
            done = insitu(*words)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, line {number}: insitu {shlex.join(words)}") from error
        said = f"seed {seed}, line {number}: insitu {shlex.join(words)}: {done}"
        assert done.status in (0, 1, 2, 3), said
        assert "Traceback" not in done.out + done.err, said
        if done.status and "--json" in words and "--" not in words:
            assert {*json.loads(done.out)} >= {"error", "status"}, said


def test_every_verb_and_status_is_among_them() -> None:
    """Of the lines that are tried; a verb's name does not depend on what came of the one before."""
    lines = [line(choose) for seed in _SEEDS for choose in [random.Random(seed)] for _ in range(_LINES)]
    assert len(lines) == 500
    assert {words[0] for words in lines if words} >= {*verbs.VERBS}
