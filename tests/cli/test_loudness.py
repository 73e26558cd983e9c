"""What a command says beside its result: bars, remarks, errors as JSON; and that output comes as it is written."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
import wasmtime
from insitu import steps
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.link.printed import UpTo, begins
from insitu.session.session import Session

from tests.cli.conftest import Command

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
_BOARD = ("-b", "qemu_stm32f405")


def _insitu(*words: object) -> list[str]:
    return [sys.executable, "-m", "insitu", *map(str, words)]


def test_bars_where_a_person_looks_on_and_none_in_a_pipe(wasm: Callable[..., Path]) -> None:
    command = _insitu("build", wasm(ADD), *_BOARD, "--no-cache")
    master, terminal = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as child:
        os.close(terminal)
        shown = b""
        try:
            while data := os.read(master, 4096):
                shown += data
        except OSError:  # Linux says so that the other end is closed
            pass
    os.close(master)
    assert child.returncode == 0
    for what in (b"generating machine code", b"linking", b"proving the machine code"):
        assert what in shown
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    assert piped.stderr == ""


def test_what_takes_long_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than half a second of a build of 300 functions, which takes about one and a half, is in none."""
    text = "".join(f'(func (export "f{i}") (param f64) (result f64) (f64.sqrt (local.get 0)))' for i in range(300))
    inside, open_steps = 0.0, 0

    @contextmanager
    def listener(_: str):  # type: ignore[no-untyped-def]
        nonlocal inside, open_steps
        began, open_steps = time.process_time(), open_steps + 1
        yield steps.silent
        open_steps -= 1
        inside += 0 if open_steps else time.process_time() - began

    module = bytes(wasmtime.wat2wasm(f"(module {text})"))
    began = time.process_time()
    with steps.listening(listener):
        compile_wasm(module, "cortex-m4f")
    assert time.process_time() - began - inside < 0.5


def test_quiet_and_verbose(insitu: Command, wasm: Callable[..., Path]) -> None:
    app = wasm(ADD)
    for words in (("-q", "build", app), ("build", app, "-q"), ("build", "--quiet", app, "-v")):
        done = insitu(*words, *_BOARD, "--no-cache")
        assert (done.status, done.out) == (0, "")
        assert ("linking: " in done.err) == ("-v" in words)
    for words in (("-v", "build", app), ("build", app, "--verbose")):
        done = insitu(*words, *_BOARD, "--no-cache")
        assert done.out.startswith(f"{app.with_suffix('.xip')}: ")
        assert [line.partition(":")[0] for line in done.err.splitlines()] == [
            "generating machine code",
            "linking",
            "proving the machine code",
        ]
    assert insitu("run", app, *_BOARD, "--sim", "-q", "--invoke", "add", 2, 3).out == "5\n"
    assert insitu("build", app, *_BOARD, "-q", "--json").json["board"] == "qemu_stm32f405"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("run", "APP", *_BOARD, "--sim", "--invoke", "nothing"), 1, 'no exported function "nothing"'),
        (("run", "APP", *_BOARD, "--sim", "--invoke", "trap"), 1, 'trap: "unreachable"'),
        (("run", "APP", *_BOARD, "--sim", "--invok", "add"), 2, "No such option: --invok"),
        (("build", "APP", "-b", "no board"), 1, 'no board "no board"'),
        (("build", "APP"), 2, "Missing option '-b' / '--board'"),
        (("mem", "--port", "/dev/none"), 3, "cannot open /dev/none: "),
    ],
)
def test_an_error_is_json_where_the_result_would_be(
    insitu: Command, wasm: Callable[..., Path], words: tuple[str, ...], status: int, says: str
) -> None:
    app = wasm(ADD[:-1] + '(func (export "trap") unreachable))')
    done = insitu(*[str(app) if word == "APP" else word for word in words], "--json")
    assert (done.status, done.err) == (status, "")
    assert done.json["status"] == status
    assert says in done.json["error"]


def test_an_argument_of_that_name_asks_for_no_json(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("run", wasm(ADD), *_BOARD, "--sim", "--invoke", "add", "--", "2", "--json")
    assert (done.out, done.err) == ("", "insitu: add: argument 2: '--json' is not an integer\n")


# --- as it is written ---

_TELLS = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "board" "wait" (func $wait))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00") (data (i32.const 16) "begun\\n")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $wait)
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"""


@pytest.mark.parametrize("way", ["text", "JSON"])
def test_the_command_shows_output_as_it_is_written(wasm: Callable[..., Path], tmp_path: Path, way: str) -> None:
    """The program waits for a file that is made when its first line was read."""
    go = tmp_path / "go"
    functions = tmp_path / "board.py"
    functions.write_text(
        f"import os, time\ndef wait():\n    while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "    print('on')\nimports = {'board': {'wait': wait}}\n"
    )
    command = _insitu("run", wasm(_TELLS), *_BOARD, "--sim", "--import-from", functions, *["--json"] * (way == "JSON"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        stream = child.stderr if way == "JSON" else child.stdout
        assert stream.readline() == "begun\n"
        go.write_text("")
        assert stream.read() == "on\nbegun\n"
        assert way == "text" or json.loads(child.stdout.read()) == {"results": []}


@pytest.mark.qemu
def test_a_board_s_output_as_it_is_written() -> None:
    """Each line is there before the next one is begun; bytes that the protocol has, too, and no end of ours."""
    app = """(module (import "env" "tell" (func $tell (param i32) (result i32)))
      (func (export "go") (loop $next (br_if $next (call $tell (i32.const 0))))))"""
    tell = (
        "def tell(_, left=[3]):\n"
        "    import sys\n"
        "    left[0] -= 1\n"
        "    print(left[0], end='\\x04>\\n' if left[0] == 1 else '\\n')\n"
        "    for _ in range(200000): pass\n"
        "    return left[0]\n"
    )
    board = load_board("qemu_stm32f405")
    heard: list[bytes] = []
    data = compile_wasm(bytes(wasmtime.wat2wasm(app)), board.target)
    with Session(board, data, imports={"env.tell": "tell"}, prelude=tell, say=heard.append) as session:
        printed, _ = session.invoke("go", [])
    assert printed == b"2\n1\x04>\n0\n"
    assert b"".join(heard) == printed
    assert b"".join(heard).startswith(heard[0]) and heard[0] in (b"2", b"2\n")
    assert len(heard) > 1


@pytest.mark.parametrize("size", range(1, 9))
def test_what_stands_behind_the_mark_is_not_the_program_s(size: int) -> None:
    """Whatever the pieces are that it comes in; the program may print a beginning of the mark, and ends of lines."""
    data = b"one\r\n<ma<mar\r\r\n<mark>two"
    heard: list[bytes] = []
    with UpTo(b"<mark>", heard.append) as say:
        for at in range(0, len(data), size):
            say(data[at : at + size])
    assert b"".join(heard) == b"one\n<ma<mar\r\n"
    heard.clear()
    with UpTo(b"<mark>", heard.append) as say:
        say(b"cut off\r\n<mar")
    assert b"".join(heard) == b"cut off\n<mar"


@pytest.mark.parametrize(
    ("data", "where"), [(b"", 0), (b"abc", 3), (b"ab<", 2), (b"<m<", 2), (b"a<m>b<m>", 1), (b"m><", 2)]
)
def test_where_a_mark_may_begin(data: bytes, where: int) -> None:
    assert begins(data, b"<m>") == where
