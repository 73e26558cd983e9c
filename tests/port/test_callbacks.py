"""Calls out of what interrupts the runtime: scheduled callbacks where bytecode jumps, interrupts' handlers anywhere."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import insitu.port
import pytest

PORT = Path(str(insitu.port.__file__)).parent
BYTECODE, MACHINE_CODE = (str(PORT / "run"), str(PORT / "store")), str(PORT / "platform" / "simulated.py")
# Each export but deep, over and words leaves for something, with more on its operand stack than a start takes.
TEXT = """(module
  (import "env" "word" (func $word (param i32 i32) (result i32)))
  (import "env" "float" (func $float (param i64 f32 i32) (result f64)))
  (import "env" "pair" (func $pair (param i32) (result i32 i64)))
  (memory (export "memory") 1 3)
  (table (export "table") 1 9 funcref)
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
  (func (export "over") (param i64 f64 f64) (result f64)
    (f64.add (f64.convert_i64_s (local.get 0)) (f64.mul (local.get 1) (local.get 2))))
  (func (export "words") (param i32 i32 i32 i32 i32) (result i64 i32) (i64.const -2) (i32.add (local.get 0)
    (i32.mul (i32.add (local.get 1) (local.get 2)) (i32.sub (local.get 3) (local.get 4)))))
  (func (export "word") (param i32) (result i32)
    (i32.add (call $word (local.get 0) (i32.const 7)) (call $word (i32.const 5) (local.get 0))))
  (func (export "float") (param i64 f64) (result f64)
    (f64.add (local.get 1) (call $float (local.get 0) (f32.const 0.5) (i32.const 6))))
  (func (export "pair") (param i32) (result i32 i64) (call $pair (local.get 0)))
  (func (export "grow") (param i32) (result i32)
    (i32.add (i32.mul (i32.const 100) (memory.grow (local.get 0)))
      (table.grow (ref.null func) (local.get 0))))
  (func $trap (export "trap") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0))))"""
# Name, arguments, result: numbers that tell one place of an args area from another.
CALLS = [
    ("deep", (9,), 45),
    ("over", (1 << 40, 1.5, 4.0), (1 << 40) + 6.0),
    ("words", (1, 2, 3, 9, 5), (-2, 21)),
    ("word", (30,), 100 * 30 + 7 + 100 * 5 + 30),
    ("float", (-(1 << 33), 0.25), 0.25 - (1 << 33) + 3.0),
    ("pair", (11,), (22, -(1 << 50))),
]
IMPORTS = {"word": lambda a, b: 100 * a + b, "float": lambda a, b, c: a + b * c, "pair": lambda a: (2 * a, -(1 << 50))}


@pytest.fixture(params=["cortex-m4f", "rv32imc"])
def target(request: pytest.FixtureRequest) -> str:
    """Two are enough: what differs between them is not what is tested."""
    return str(request.param)


class Interrupter:
    """Calls into a device's instance at the n-th instant.

    Attributes: left: instants until then; came: the call's results, None: it was refused; at: where that was.
    """

    def __init__(self, device: Any, instance: Any, jumps: bool) -> None:
        """jumps: where bytecode jumps alone; otherwise each line, of machine code, too."""
        self.device, self.instance, self.jumps = device, instance, jumps
        self.left, self.at = 0, ""
        self.came: list[Any] = []

    def call(self) -> None:
        """All kinds of calls, each as it would be by itself."""
        for name, arguments, wanted in CALLS:
            try:
                got = getattr(self.instance.exports, name)(*arguments)
            except self.device.port.Error as error:
                assert "note it, call later" in str(error)
                self.came.append(None)
            else:
                assert got == wanted, (name, self.at)
                self.came.append(got)

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """For sys.settrace."""
        if not self._is_open(frame):
            return None
        frame.f_trace_opcodes = self.jumps
        if event == "opcode" and _jumps(frame) if self.jumps else event == "line":
            self.left -= 1
            if self.left == 0:
                self.at = f"{frame.f_code.co_name}:{frame.f_lineno}"
                with _untraced():
                    self.call()
        return self.trace

    def _is_open(self, frame: FrameType) -> bool:
        if self.jumps:
            caller = frame.f_back.f_code.co_filename if frame.f_back else ""
            return frame.f_code.co_filename.startswith(BYTECODE) and "sim/micropython" not in caller
        return frame.f_code.co_filename.startswith((*BYTECODE, MACHINE_CODE))

    def instants(self, run: Callable[[], None], prepare: Callable[[], None] = lambda: None) -> Iterator[list[Any]]:
        """Run again and again, interrupted at another instant each time: what came of the calls there."""
        for n in range(1, 3000):
            prepare()
            self.left, self.came = n, []
            sys.settrace(self.trace)
            try:
                run()
            finally:
                sys.settrace(None)
            if self.left > 0:
                return
            yield self.came
        raise AssertionError("it has no end")


@contextmanager
def _untraced() -> Iterator[None]:
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


_JUMPS = {*dis.hasjrel, *dis.hasjabs}


def _jumps(frame: FrameType) -> bool:
    """Whether the next instruction is one at which MicroPython looks for what was scheduled (py/vm.c): a jump."""
    return frame.f_code.co_code[frame.f_lasti] in _JUMPS


def _instance(device: Any) -> Any:
    return device.instantiate(TEXT, stack_size=2048, imports={"env": IMPORTS})


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
@pytest.mark.parametrize("jumps", [True, False], ids=["scheduled", "handler"])
def test_numbers(device: Any, call: tuple[str, tuple[Any, ...], Any], jumps: bool) -> None:
    """What a callback calls is right, and so is what it interrupts; a handler may be refused, a callback is not."""
    instance = _instance(device)
    name, arguments, wanted = call
    interrupter, got = Interrupter(device, instance, jumps), []
    interrupter.call()  # what is imported when it is first used is there now
    found = list(interrupter.instants(lambda: got.append(getattr(instance.exports, name)(*arguments))))
    assert bool(found) != (jumps and name in ("deep", "word"))  # small ints alone: there is no bytecode at all
    assert {*map(repr, got)} == {repr(wanted)}
    assert all(len(came) == len(CALLS) for came in found)
    if jumps:
        assert all(None not in came for came in found)
    else:
        assert any(None in came for came in found)
    assert instance.exec_env.busy == 0
    device.runtime.heap.check()


@pytest.mark.parametrize("jumps", [True, False], ids=["scheduled", "handler"])
def test_growth_and_traps(make_device: Any, jumps: bool) -> None:
    """Memory and table are right at every moment; callbacks may be refused, and what traps in them leaves no trace."""
    device = make_device(4_000_000)
    instance = _instance(device)
    trap = device.port.Trap
    with pytest.raises(trap) as caught:
        instance.exports.trap(0)
    wanted = str(caught.value), caught.value.pc

    class Trapping(Interrupter):
        def call(self) -> None:
            with pytest.raises((trap, device.port.Error)):
                self.instance.exports.deep(100_000)
            super().call()

    def traps() -> None:
        with pytest.raises(trap) as caught:
            instance.exports.trap(0)
        assert (str(caught.value), caught.value.pc) == wanted

    interrupter = Trapping(device, instance, jumps)
    assert len(list(interrupter.instants(traps))) > 2

    def prepare() -> None:
        if interrupter.instance is not instance:
            interrupter.instance.deinstantiate()
        interrupter.instance = instance.module.instantiate(stack_size=2048, imports={"env": IMPORTS})

    def grows() -> None:
        assert interrupter.instance.exports.grow(1) == 101

    seen = []
    for came in interrupter.instants(grows, prepare):
        seen.append(came)
        grown = interrupter.instance
        assert (grown.memory.size, len(grown.exports.table), grown.memory[65536:65540]) == (2 << 16, 2, bytes(4))
    assert len(seen) > 10
    assert instance.exec_env.busy == 0
    device.runtime.heap.check()


REFERENCES = """(module
  (import "env" "give" (func $give (param externref i32) (result externref)))
  (table $kept 4 externref)
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "give") (param externref) (result externref) (call $give (local.get 0) (i32.const 3)))
  (func (export "keep") (param i32 externref) (table.set $kept (local.get 0) (local.get 1)))
  (func (export "kept") (param i32) (result externref) (table.get $kept (local.get 0))))"""


class Thing:
    """What references are to."""


@pytest.mark.parametrize("jumps", [True, False], ids=["scheduled", "handler"])
@pytest.mark.parametrize("name", ["same", "give"])
def test_references(device: Any, name: str, jumps: bool) -> None:
    """Calls that make many externrefs, and keep some, between a reference's making and its use."""
    imports = {"env": {"give": lambda thing, number: thing if number == 3 else None}}
    instance = device.instantiate(REFERENCES, stack_size=2048, imports=imports)
    exports = instance.exports
    kept = [Thing(), Thing()]

    class Keeping(Interrupter):
        def call(self) -> None:
            try:
                for i in range(2):
                    new = Thing()
                    exports.keep(i, new)
                    kept[i] = new
                for _ in range(20):
                    exports.give(Thing())
            except device.port.Error as error:
                assert "note it, call later" in str(error)
                self.came.append(None)

    def run() -> None:
        thing = Thing()
        assert getattr(exports, name)(thing) is thing

    exports.keep(0, kept[0])
    exports.keep(1, kept[1])
    assert len(list(Keeping(device, instance, jumps).instants(run))) > 5
    assert [exports.kept(0), exports.kept(1)] == kept
    assert instance.exec_env.busy == 0
    assert device.runtime.lock[0] == 0
