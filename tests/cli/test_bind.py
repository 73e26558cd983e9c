"""`insitu bind`: the module that it writes calls and is called, on both kinds of device, and its types are right."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.board import boards
from insitu.machine import emulated
from insitu.machine.simulated import Simulated
from insitu.package.deploy import METHODS
from mypy import api

from tests.cli.conftest import Command, refused

_BOARD = boards.load_board("qemu_mps2_an385")
_C = """
__attribute__((import_module("uart"), import_name("write"))) void uart_write(const char *text, int length);
__attribute__((import_module("adc"), import_name("read"))) int adc_read(int channel);
static unsigned char room[64];
__attribute__((export_name("malloc"))) void *get(int size) { return size > 64 ? 0 : room; }
__attribute__((export_name("free"))) void give(void *at) { room[0] = 0; }
__attribute__((export_name("sum of"))) int sum_of(const unsigned char *data, unsigned size, int scale)
{
    int sum = 0;
    for (unsigned i = 0; i < size; i++) sum += data[i];
    uart_write("\\xc3\\xa4!", 3);
    return sum * scale;
}
__attribute__((export_name("pass"))) double pass(int count) { return count * 0.5 + adc_read(count); }
"""
_PAIRS = '[exports."sum of"]\ndata = "bytes"\n[imports."uart.write"]\na0 = "str"\n'
_USE = """
class Uart:
    def write(self, text): print("uart", text)
class Adc:
    def read(self, channel): return channel * 10
start(Uart(), Adc())
print(sum_of(b"\\x01\\x02\\x03", 7), sum_of(b"", 7), pass_(3))
try:
    sum_of(bytes(65), 1)
except insitu.OutOfHeap as error:
    print(error)
stop()
print(instance)
"""
# 7 * (1 + 2 + 3); no bytes; 3 * 0.5 + 30
_SAID = "uart ä!\nuart ä!\n42 0 31.5\nno room for 65 bytes in linear memory: give it a larger app heap\nNone\n"


@pytest.fixture
def bound(insitu: Command, tmp_path: Path) -> Path:
    """The module's folder: app.wasm, app.xip, app.toml, app.py and app.pyi."""
    (tmp_path / "app.c").write_text(_C)
    (tmp_path / "app.toml").write_text(_PAIRS)
    assert insitu("build", tmp_path / "app.c", "-b", _BOARD.name).status == 0
    more = ("-o", tmp_path / "app.py", "--declare", tmp_path / "app.toml")
    done = insitu("bind", tmp_path / "app.wasm", "-b", _BOARD.name, *more)
    assert (done.status, done.err) == (0, "")
    return tmp_path


def test_in_the_simulator(bound: Path) -> None:
    contents = [(_BOARD.image.address, (bound / "app.xip").read_bytes())]
    with Simulated(_BOARD, contents) as machine, machine.link() as link:
        assert link.run((bound / "app.py").read_text() + _USE).decode() == _SAID


@pytest.mark.qemu
def test_under_micropython(bound: Path) -> None:
    contents = [(_BOARD.image.address, (bound / "app.xip").read_bytes()), *METHODS["romfs"].contents(_BOARD)]
    with emulated(_BOARD, contents) as machine, machine.link() as link:
        METHODS["romfs"].install(link, _BOARD)
        assert link.run((bound / "app.py").read_text() + _USE).decode().replace("\r\n", "\n") == _SAID


def test_types(bound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub is strict, takes a right use and refuses wrong ones: a str for bytes, a method that is missing."""
    monkeypatch.chdir(bound)
    right = """import app
class Uart:
    def write(self, text: str) -> None: ...
class Adc:
    def read(self, channel: int) -> int:
        return 0
app.start(Uart(), Adc())
x: int = app.sum_of(b"", scale=3)
y: float = app.pass_(count=2)
"""
    wrong = 'app.sum_of("", 3)\napp.start(Adc(), Adc())\n'
    Path("use.py").write_text(right + wrong)
    said, _, _ = api.run(["--strict", "--no-incremental", "app.pyi", "use.py"])
    lines = {int(line.split(":")[1]) for line in said.splitlines() if ": error: " in line}
    first = len(right.splitlines()) + 1
    assert lines == {first, first + 1}, said


_WAITING = """
import asyncio
class Uart:
    async def write(self, text):
        await asyncio.sleep(0)
        print("uart", text)
class Adc:
    def read(self, channel): return channel * 10
start(Uart(), Adc())
async def main():
    return await asyncio.gather(sum_of(b"\\x01\\x02", 7), pass_(3))
print(asyncio.run(main()))
"""


def test_awaited(insitu: Command, bound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bound)
    more = ("-o", "app.py", "--declare", "app.toml", "--async")
    assert insitu("bind", "app.wasm", "-b", _BOARD.name, *more).status == 0
    contents = [(_BOARD.image.address, Path("app.xip").read_bytes())]
    with Simulated(_BOARD, contents) as machine, machine.link() as link:
        assert link.run(Path("app.py").read_text() + _WAITING).decode() == "uart \u00e4!\n[21, 31.5]\n"
    Path("use.py").write_text(
        "import app\nclass Uart:\n    async def write(self, text: str) -> None: ...\n"
        "class Adc:\n    def read(self, channel: int) -> int:\n        return 0\n"
        "app.start(Uart(), Adc())\nasync def main() -> int:\n    return await app.sum_of(b'', 3)\n"
    )
    said, _, status = api.run(["--strict", "--no-incremental", "app.pyi", "use.py"])
    assert status == 0, said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[exports.none]\n", "exports: there is no function 'none', but: malloc, free, sum of, pass"),
        ('[exports."sum of"]\ndata = "text"\n', "exports.sum of.data is 'text', it must be one of bytes, str"),
        ('[exports."sum of"]\nscale = "str"\n', "it and the parameter behind it must be i32"),
        ('[exports.pass]\nx = "str"\n', "exports.pass.x: the parameters are count"),
        ("[export]\n", "there is no table 'export'"),
        ("[", "app.toml: "),
    ],
)
def test_a_declaration_that_is_wrong(insitu: Command, bound: Path, text: str, says: str) -> None:
    (bound / "app.toml").write_text(text)
    more = ("-o", bound / "other.py", "--declare", bound / "app.toml")
    refused(insitu("bind", bound / "app.wasm", "-b", _BOARD.name, *more), says)
    assert not (bound / "other.py").exists()


def test_pools_of_calls_that_were_run(insitu: Command, bound: Path) -> None:
    bind = ("bind", bound / "app.wasm", "-b", _BOARD.name, "-o", bound / "app.py", "--json")
    by_code = insitu(*bind).json
    given = ("--import", "adc.read=1", "--import", "uart.write=print")
    by_calls = insitu(*bind, *given, "--invoke", "pass 3").json
    assert by_calls["heap"] < by_code["heap"] + 8192
    assert f"HEAP = {by_calls['heap']}  #" in (bound / "app.py").read_text()
    refused(insitu(*bind[:1], bound / "app.xip", *bind[2:-1]), "is an image, which has no names")
