"""WAMR's knobs on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, refused, trapped

GROWING = """(module (memory (export "memory") 1 4)
  (func (export "pages") (result i32) (memory.size))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""
SMALL = """(module (memory (export "memory") 1) (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1056))
  (func (export "last") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "push") (global.set $sp (i32.sub (global.get $sp) (i32.const 16)))))"""
ON = ("-b", "qemu_stm32f405", "--sim", "--heap", 400_000)


@pytest.mark.parametrize(
    ("options", "call", "result"),
    [
        ((), ("pages",), "1\n"),
        (("--initial-memory", 2), ("pages",), "2\n"),
        (("--initial-memory", 2, "--max-memory", 3), ("grow", 1), "2\n"),
        (("--max-memory", 3), ("grow", 3), "-1\n"),
        (("--heap-size", 100), ("pages",), "2\n"),
    ],
)
def test_linear_memory(
    insitu: Command, wasm: Callable[..., Path], options: tuple[object, ...], call: tuple[object, ...], result: str
) -> None:
    done = insitu("run", wasm(GROWING), *ON, *options, "--invoke", *call)
    assert (done.status, done.out) == (0, result), done.err


def test_what_the_module_does_not_allow(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("run", wasm(GROWING), *ON, "--max-memory", 5, "--invoke", "pages")
    refused(done, "max_memory is 5 pages; the module allows 1 to 4")


def test_an_app_heap_after_a_truncated_memory(insitu: Command, wasm: Callable[..., Path]) -> None:
    """Behind the slack an access traps (tests/port/test_slack.py)."""
    app = wasm(SMALL)
    trap = "out of bounds memory access", "last", "i32.load8_u"
    trapped(insitu("run", app, *ON, "--invoke", "last", 1160), *trap)
    assert insitu("run", app, *ON, "--heap-size", 64, "--invoke", "last", 1119).out == "0\n"
    trapped(insitu("run", app, *ON, "--heap-size", 64, "--invoke", "last", 1220), *trap)


def test_the_aux_stack_is_checked(insitu: Command, wasm: Callable[..., Path], tmp_path: Path) -> None:
    app, made = wasm(SMALL), tmp_path / "app.xip"
    build = ("build", app, "-b", "qemu_rv32", "-o", made, "--aux-stack-size")
    refused(insitu(*build, 2048), "has 1024 bytes, 2048 are wanted: link it with -Wl,-z,stack-size=2048")
    assert not made.exists()
    assert insitu(*build, 1024).status == 0
    refused(insitu("build", wasm(GROWING), "-b", "qemu_rv32", "--aux-stack-size", 8), "export __heap_base")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (SMALL, ""),
        (GROWING, "not truncated: memory.grow is used"),
        (SMALL.replace('(export "__data_end")', ""), "link with -Wl,--export=__data_end to save up to 65536 bytes"),
        (
            SMALL.replace('(export "__data_end")', "").replace("(func", '(data (i32.const 1024) "0123") (func', 1),
            "link with -Wl,--export=__data_end to save up to 64508 bytes",
        ),
        (SMALL.replace('"push"', '"malloc"'), "not truncated: the exported allocator"),
    ],
)
def test_build_says_why_memory_is_not_truncated(
    insitu: Command, wasm: Callable[..., Path], tmp_path: Path, text: str, hint: str
) -> None:
    done = insitu("build", wasm(text), "-b", "qemu_rv32", "-o", tmp_path / "app.xip")
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == (2 if hint else 1)
    assert lines[-1].startswith(hint)
