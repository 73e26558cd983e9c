"""What run, mem and tune give a program: functions of a file, other modules, time; and the commands that they print."""

from __future__ import annotations

import os
import re
import shlex
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from insitu.board.boards import load_board

from tests.cli.conftest import Command, refused

_ON = ("-b", "qemu_stm32f405")
_SIM = (*_ON, "--sim")
# sum(n): twice what adc.read(0) ... adc.read(n - 1) give, in all
_APP = """(module
    (import "adc" "read" (func $read (param i32) (result i32)))
    (import "lib" "twice" (func $twice (param i32) (result i32)))
    (func (export "sum") (param $n i32) (result i32) (local $sum i32)
        (loop $next
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (local.set $sum (i32.add (local.get $sum) (call $twice (call $read (local.get $n)))))
            (br_if $next (local.get $n)))
        (local.get $sum))
    (func (export "for ever") (loop $again (br $again)))
    (func (export "ask for ever") (loop $again (drop (call $read (i32.const 0))) (br $again))))"""
_LIB = '(module (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))'
_FUNCTIONS = """
def read(channel):
    print("channel", channel, inst.lookup("no such export"))
    return 10 * channel

imports = {"adc": {"read": read}}
"""
_SUM = ("--invoke", "sum", 3)
_PRINTED = "channel 2 None\nchannel 1 None\nchannel 0 None\n60\n"


@pytest.fixture
def app(wasm: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module, beside the one that it needs and a file of functions."""
    monkeypatch.chdir(tmp_path)
    wasm(_LIB, "lib.wasm")
    (tmp_path / "board.py").write_text(_FUNCTIONS)
    return wasm(_APP)


_GIVEN = ("--import-from", "board.py", "--module", "lib=lib.wasm")


@pytest.mark.parametrize("where", [_SIM, pytest.param(_ON, marks=pytest.mark.qemu)], ids=["sim", "qemu"])
def test_functions_of_a_file_and_another_module(insitu: Command, app: Path, where: tuple[str, ...]) -> None:
    done = insitu("run", app, *where, *_GIVEN, *_SUM)
    assert (done.status, done.out, done.err) == (0, _PRINTED, "")


@pytest.mark.parametrize("where", [_SIM, pytest.param(_ON, marks=pytest.mark.qemu)], ids=["sim", "qemu"])
def test_a_trace_has_calls_between_modules(insitu: Command, app: Path, where: tuple[str, ...]) -> None:
    done = insitu(
        "run", app, *where, "--module", "lib=lib.wasm", "--import", "adc.read=5", "--trace", "--invoke", "sum", 1
    )
    calls = ["adc.read (0,)", "adc.read gave 5", "lib.twice (5,)", "lib.twice gave 10"]
    assert done.out.splitlines() == ["trace: sum (1,)", *(f"trace: {call}" for call in calls), "10"]


def test_numbers_and_an_image_as_another_module(insitu: Command, app: Path) -> None:
    insitu("build", "lib.wasm", *_ON)
    assert insitu("run", app, *_SIM, "--import", "adc.read=7", "--module", "lib=lib.xip", *_SUM).out == "42\n"
    # what --import says comes before what the file says
    assert insitu("run", app, *_SIM, *_GIVEN, "--import", "adc.read=7", *_SUM).out == "42\n"
    refused(insitu("run", app, *_SIM, *_GIVEN[:2], *_SUM), "unknown import lib.twice (function i:i) is missing")
    refused(insitu("run", app, *_SIM, *_GIVEN[2:], *_SUM), '"adc.read" is not bound: --import adc.read=print binds')
    refused(insitu("run", app, *_SIM, "--module", "lib=no.wasm", *_SUM), "no.wasm: No such file")


@pytest.mark.parametrize(
    ("words", "way", "file"),
    [
        (("--module", "lib=lib.wasm"), 0, ""),  # a printer
        (("--module", "lib=lib.wasm"), 1, "board.py"),
        (("--import", "adc.read=1"), 2, "lib.wasm"),
    ],
)
def test_the_hints_on_an_import_are_true(
    insitu: Command, app: Path, words: tuple[str, ...], way: int, file: str
) -> None:
    """Each of the ways that the message names binds what it says is missing."""
    said = insitu("run", app, *_SIM, *words, *_SUM).err
    hint = re.findall(r"--\S+ \S+", said)[way]
    assert insitu("run", app, *_SIM, *words, *re.sub(r"FILE(\.py)?", file, hint).split(), *_SUM).status == 0, said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", 'board.py does not define what it binds: imports = {"MODULE": {"NAME": function}}'),
        ("imports = {\n", "board.py:1: '{' was never closed"),
        ("imports = {'adc': {'read': 5}}\n", "import adc.read must be a function"),
    ],
)
def test_a_file_that_is_wrong(insitu: Command, app: Path, text: str, says: str) -> None:
    Path("board.py").write_text(text)
    refused(insitu("run", app, *_SIM, *_GIVEN, *_SUM), says)


@pytest.mark.parametrize("more", [("--module", "lib"), ("--module", "=x"), ("--env", "A"), ("--dir", "::x")])
@pytest.mark.parametrize("verb", ["run", "tune", "mem"])
def test_an_option_that_is_cut(insitu: Command, verb: str, more: tuple[str, ...]) -> None:
    rest = {"run": ("app.wasm",), "tune": ("app.wasm", "--invoke", "f"), "mem": ()}[verb]
    done = insitu(verb, *rest, *_ON, *more)
    assert (done.status, done.out) == (2, "")
    assert f"{more[1]!r}: it must be" in done.err


def test_commands_that_are_printed_work(insitu: Command, app: Path) -> None:
    """run --mem says how to tune, and tune how to run: as printed, with the result that was."""
    done = insitu("run", app, *_SIM, *_GIVEN, *_SUM, "--mem")
    assert done.out.startswith(_PRINTED)
    assert "operand stack" in done.out
    tuned = insitu(*shlex.split(done.out.splitlines()[-1])[1:])
    assert tuned.status == 0, tuned.err
    again = shlex.split(tuned.out.splitlines()[-1])[1:]
    assert insitu(*again).out == _PRINTED
    # and that is where it was measured: the proposed size is a tight one
    heap = again.index("--heap") + 1
    again[heap] = str(int(again[heap]) // 2)
    refused(insitu(*again), "no room in the global heap")
    pools = insitu("run", app, *_SIM, *_GIVEN, *_SUM, "--mem", "--json").json
    assert pools["results"] == [60]
    assert pools["memory"]["exec_envs"][0]["stack_peak"] > 0


@pytest.mark.parametrize(("heap", "address"), [(0, 0x20020000), (4096, 0x20020000), (65544, None)])
def test_a_smaller_heap_lies_where_the_board_s_does(heap: int, address: int | None) -> None:
    """RAM that MicroPython does not use (boards/qemu_stm32f405.toml), for the heap that --heap asks for, too."""
    assert load_board("qemu_stm32f405").heap_place(heap) == (address, heap or 65536)


_READ = ("--import", "adc.read=1", "--module", "lib=lib.wasm")


@pytest.mark.parametrize("call", ["for ever", "ask for ever"])
@pytest.mark.parametrize("where", [_SIM, pytest.param(_ON, marks=pytest.mark.qemu)], ids=["sim", "qemu"])
def test_a_call_without_an_end(insitu: Command, app: Path, where: tuple[str, ...], call: str) -> None:
    done = insitu("run", app, *where, *_READ, "--timeout", 1, "--invoke", call)
    refused(done, "nothing was printed for 1 s", "--timeout SECONDS", status=124)


def test_tune_of_a_call_without_an_end(insitu: Command, app: Path) -> None:
    done = insitu("tune", app, *_ON, *_READ, "--timeout", 1, "--invoke", "'for ever'")
    refused(done, "nothing was printed for 1 s", status=124)


def test_who_prints_is_waited_for(insitu: Command, app: Path) -> None:
    """Longer in all than may pass without a word; what was printed before the end is shown."""
    Path("board.py").write_text(
        "import time\nleft = 4\ndef read(_):\n    global left\n    left -= 1\n    time.sleep(0.3)\n    print(left)\n"
        "    if left == 0: raise ValueError('enough')\n    return 0\nimports = {'adc': {'read': read}}\n"
    )
    done = insitu("run", app, *_SIM, *_GIVEN, "--timeout", 1, "--invoke", "ask for ever")
    assert done.status == 1
    assert "ValueError: enough" in done.err


@pytest.mark.parametrize("call", ["for ever", "ask for ever"])
def test_ctrl_c(insitu: Command, app: Path, call: str) -> None:
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    done = insitu("run", app, *_SIM, *_READ, "--invoke", call)
    timer.join()
    assert done.status == 130


def test_the_program_s_exit_status(insitu: Command, wasm: Callable[..., Path]) -> None:
    app = wasm(
        '(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))'
        '(func (export "leave") (param i32) (call $exit (local.get 0))))'
    )
    for code, status in ((0, 0), (3, 3), (256, 1), (257, 1), (-1, 255)):
        done = insitu("run", app, *_SIM, "--invoke", "leave", "--", code)
        assert done.status == status, done
        assert (f"exit code {code}" in done.err) == (code != 0)
