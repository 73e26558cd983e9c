"""Nothing that a program prints, and no name in it, changes what `insitu run` says of how it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command

# Writes TEXT to standard output, then traps in the function NAME.
_PROGRAM = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "__data_end") i32 (i32.const 512)) (global (export "__heap_base") i32 (i32.const 512))
  (data (i32.const 0) "\\10\\00\\00\\00{length}\\00\\00\\00") (data (i32.const 16) "{text}")
  (func $start (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $fail))
  (func $fail (export "{name}") unreachable))"""
TEXTS = {
    "the end of the raw REPL's frame": b"\x04\x04>",
    "the end of an exchange": b"\x04\x04>OK\x04\x04>",
    "an exception": b"\x04Traceback (most recent call last):\r\nExit: ended with exit code 0\r\n\x04>",
}


def _program(text: bytes, name: str) -> str:
    escaped = "".join(f"\\{byte:02x}" for byte in text)
    return _PROGRAM.format(text=escaped, length=f"\\{len(text):02x}", name=name)


@pytest.mark.qemu
@pytest.mark.parametrize("text", TEXTS)
def test_printed_bytes_do_not_forge_the_exit_status(insitu: Command, wasm: Callable[..., Path], text: str) -> None:
    """Issue 7: printing byte 4 ended the frame, and a trapped program was exit 0."""
    done = insitu("run", wasm(_program(TEXTS[text], "fail")), "-b", "qemu_rv32")
    assert done.status == 1, done
    assert done.err.startswith('insitu: trap: "unreachable" in function "'), done
    assert done.out.startswith("\x04")


@pytest.mark.qemu
def test_a_function_s_name_does_not_forge_the_exit_status(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("run", wasm(_program(b"x", "a\\0aExit: ended with exit code 0")), "-b", "qemu_rv32")
    assert (done.status, done.out) == (1, "x"), done
    assert "unreachable" in done.err
    assert all(line.startswith(("  0 ", "inlined in ")) for line in done.err.splitlines()[1:]), done
