"""`insitu run` on the simulated CPU: arguments, results, imports, errors. Results are as wasmtime's CLI prints them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command, refused

SAME = """(module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "nothing")))"""
IMPORTS = """(module
  (import "env" "note" (func $note (param i32)))
  (import "my.env" "ask" (func $ask (param f64) (result i32)))
  (func (export "go") (param i32) (result i32) (call $note (local.get 0)) (call $ask (f64.const 0.5)))
  (func (export "die") (call $note (i32.const 5)) unreachable))"""
SIM = ("-b", "qemu_stm32f405", "--sim", "--invoke")

# Rust's Display, which wasmtime prints with: the fewest digits that tell the value apart, no exponent.
PRINTED = [
    ("i32", "-1", "-1"),
    ("i32", "4294967295", "-1"),
    ("i32", "0x80000000", "-2147483648"),
    ("i64", "0xffffffffffffffff", "-1"),
    ("i64", "9007199254740993", "9007199254740993"),
    ("f32", "0.1", "0.1"),
    ("f32", "3", "3"),
    ("f32", "16777217", "16777216"),
    ("f32", "3.4028235e38", "340282350000000000000000000000000000000"),
    ("f32", "1e-7", "0.0000001"),
    ("f32", "1e-45", "0.000000000000000000000000000000000000000000001"),
    ("f32", "1e39", "inf"),
    ("f64", "0.1", "0.1"),
    ("f64", "0.30000000000000004", "0.30000000000000004"),
    ("f64", "1e21", "1000000000000000000000"),
    ("f64", "123456789.125", "123456789.125"),
    ("f64", "-0.0", "-0"),
    ("f64", "-inf", "-inf"),
    ("f64", "nan", "NaN"),
    ("f64", "5e-324", "0." + "0" * 323 + "5"),
    # at a power of two the gap below is half the gap above
    ("f32", "9444732965739290427392", "9444733000000000000000"),
    ("f64", "1e-323", "0." + "0" * 322 + "1"),
    ("f64", "9007199254740993", "9007199254740992"),
]


@pytest.mark.parametrize(("name", "given", "printed"), PRINTED)
def test_a_value(insitu: Command, wasm: Callable[..., Path], name: str, given: str, printed: str) -> None:
    done = insitu("run", wasm(SAME), *SIM, name, "--", given)
    assert done.out == printed + "\n"
    assert (done.status, done.err) == (0, "")


def test_results_one_a_line(insitu: Command, wasm: Callable[..., Path]) -> None:
    assert insitu("run", wasm(SAME), *SIM, "swap", "7", "-8").out == "-8\n7\n"
    assert insitu("run", wasm(SAME), *SIM, "swap", "7", "-8", "--json").json == {"results": [-8, 7]}
    assert insitu("run", wasm(SAME), *SIM, "nothing").out == ""
    assert insitu("run", wasm(SAME), *SIM, "nothing", "--json").json == {"results": []}
    assert insitu("run", wasm(SAME), *SIM, "f64", "nan", "--json").json == {"results": ["NaN"]}
    assert insitu("run", wasm(SAME), *SIM, "f32", "0.1", "--json").out == '{"results": [0.1]}\n'


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none",), 'no exported function "none"; there are: f32, f64, i32, i64, nothing, swap'),
        (("i32",), "i32 takes 1 arguments, 0 given"),
        (("i32", "1", "2"), "i32 takes 1 arguments, 2 given"),
        (("i32", "1.5"), "i32: argument 1: '1.5' is not an integer"),
        (("f64", "one"), "f64: argument 1: 'one' is not a number"),
        (("swap", "0", "9223372036854775808000"), "swap: argument 2: 9223372036854775808000 does not fit in i64"),
        (("i32", "--", "-2147483649"), "i32: argument 1: -2147483649 does not fit in i32"),
    ],
)
def test_wrong_calls(insitu: Command, wasm: Callable[..., Path], arguments: tuple[str, ...], says: str) -> None:
    refused(insitu("run", wasm(SAME), *SIM, *arguments), says)


def test_imports(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm(IMPORTS)
    bound = ("--import", "env.note=print", "--import", "my.env.ask=print")
    done = insitu("run", source, *SIM, "go", "-3", *bound)
    assert (done.status, done.out) == (0, "-3\n0.5\n0\n")
    done = insitu("run", source, *SIM, "go", "-3", *bound, "--json")
    assert (done.json, done.err) == ({"results": [0]}, "-3\n0.5\n")


def test_an_import_that_is_not_bound(insitu: Command, wasm: Callable[..., Path]) -> None:
    done = insitu("run", wasm(IMPORTS), *SIM, "go", "1", "--import", "env.note=print")
    refused(done, 'the import func "my.env.ask" is not bound: --import my.env.ask=print binds a printer')
    memory = wasm('(module (import "env" "memory" (memory 1)) (func (export "go")))')
    refused(insitu("run", memory, *SIM, "go"), 'the import memory "env.memory" is not bound')
    done = insitu("run", wasm(IMPORTS), *SIM, "go", "1", "--import", "env.nope=print")
    refused(done, 'no imported function "env.nope"; there are: env.note, my.env.ask')
    done = insitu("run", wasm(IMPORTS), *SIM, "go", "1", "--import", "env.note=input", "--import", "my.env.ask=print")
    refused(done, "an import is bound to \"print\" or to a number: 'input' is not a number")


def test_a_trap_after_output(insitu: Command, wasm: Callable[..., Path]) -> None:
    bound = ("--import", "env.note=print", "--import", "my.env.ask=print")
    done = insitu("run", wasm(IMPORTS), *SIM, "die", *bound)
    assert (done.status, done.out) == (1, "5\n")
    assert done.err.startswith('insitu: trap: "unreachable" in function "die" at code offset 0x')
    (frame,) = done.err.splitlines()[1:]
    assert frame.startswith("  0 die wasm 0x")
    assert ": unreachable (code 0x" in frame


def test_what_does_not_fit(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm('(module (memory 1) (func (export "go") (i32.store (i32.const 0) (i32.const 1))))')
    refused(insitu("run", source, *SIM, "go", "--heap", "20000"), "no room in the global heap for the instance")
    refused(insitu("run", source, *SIM, "go", "--heap", "80000", "--stack", "32"), "operand stack of 32 bytes")
    assert insitu("run", source, *SIM, "go", "--heap", "0").status == 2


def test_an_image_for_another_board(insitu: Command, wasm: Callable[..., Path]) -> None:
    source = wasm(SAME)
    insitu("build", source, "-b", "qemu_rv32")
    image = source.with_suffix(".xip")
    refused(insitu("run", image, *SIM, "nothing"), "the image is for rv32imc", "build it with -b qemu_stm32f405")
    assert insitu("run", image, "-b", "qemu_rv32", "--sim", "--invoke", "i64", "5").out == "5\n"


def test_a_trace_has_the_call_and_those_of_imports(insitu: Command, wasm: Callable[..., Path]) -> None:
    app = wasm(
        '(module (import "env" "ask" (func $ask (param i32 f32) (result i32)))'
        ' (func (export "run") (param i32) (result i32) (call $ask (local.get 0) (f32.const 1.5))))'
    )
    done = insitu("run", app, *SIM, "run", "4", "--trace", "--import", "env.ask=9")
    assert done.out.splitlines() == ["trace: run (4,)", "trace: env.ask (4, 1.5)", "trace: env.ask gave 9", "9"]
