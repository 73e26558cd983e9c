"""Instructions by function: their sum, and those of each function, are what the CPU's own counter has by address."""

from __future__ import annotations

from collections import Counter

import pytest
import wasmtime
from insitu import aot, sim
from insitu.board import boards
from insitu.explain.make import code_map
from insitu.explain.profile import profiling
from insitu.session.session import RunError, Session

# A loop that calls an import and, by way of the other, the one that calls itself.
_TEXT = """(module (import "env" "ask" (func $ask (param i32) (result i32)))
  (func $down (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (call $ask (local.get 0))))
      (else (i32.const 0))))
  (func $small (param i32) (result i32) (i32.mul (call $down (local.get 0)) (i32.const 7)))
  (func $run (export "run") (param i32) (result i32) (i32.add (call $small (local.get 0)) (call $ask (i32.const 1))))
  (func $fail (export "fail") (param i32) (result i32) (drop (call $down (local.get 0))) unreachable))"""
WASM = bytes(wasmtime.wat2wasm(_TEXT))


@pytest.mark.parametrize("name", ["rpi_pico", "qemu_stm32f405", "qemu_rv32"])
def test_instructions_are_counted_once_and_where_they_are(name: str) -> None:
    board = boards.load_board(name)
    made = aot.compile_module(WASM, board.target, located=True)
    known, address = code_map(made), board.image.address
    with Session(board, made.image, imports={"env.ask": "lambda n: n"}, sim=True) as session:
        session.prepare_invoke()
        with profiling(sim.current(), known, address) as profile:
            with pytest.raises(RunError, match="unreachable"):
                session.invoke("fail", [2])
            session.invoke("run", [3])
        with sim.current().counting() as counter:
            with pytest.raises(RunError, match="unreachable"):
                session.invoke("fail", [2])
            session.invoke("run", [3])
    by_function: Counter[str] = Counter()
    for at, count in counter.blocks().items():
        if at in range(address, address + len(made.image)):
            by_function[known.name_at(at - address)] += count
    inlined = by_function.total() - sum(own for function, own, _ in profile.rows() if function != "small")
    assert inlined == dict((row[0], row[1]) for row in profile.rows()).get("small", 0)
    assert {row[0]: row[1] for row in profile.rows() if row[0] not in ("small", "run")} == {
        function: count for function, count in by_function.items() if function != "run"
    }


def test_stacks_are_those_of_the_program() -> None:
    board = boards.load_board("qemu_stm32f405")
    made = aot.compile_module(WASM, board.target, located=True)
    with Session(board, made.image, imports={"env.ask": "lambda n: n"}, sim=True) as session:
        session.prepare_invoke()
        with profiling(sim.current(), code_map(made), board.image.address) as profile:
            session.invoke("run", [3])
    own = [tuple(f for f in stack if f in ("run", "small", "down", "env.ask")) for stack in profile.weights]
    assert set(own) - {()} == {
        ("run",),
        ("run", "env.ask"),
        ("run", "small"),
        *(("run", "small", *["down"] * depth) for depth in (1, 2, 3, 4)),
        *(("run", "small", *["down"] * depth, "env.ask") for depth in (1, 2, 3)),
    }
    (scope,) = profile.speedscope("app")["profiles"]
    assert sum(scope["weights"]) == scope["endValue"] == profile.weights.total()
