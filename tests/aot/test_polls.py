"""Where loops and recursions poll, and that the contract looks at it."""

from __future__ import annotations

import pytest
import wasmtime
from insitu import aot
from insitu.aot import link, polls
from insitu.aot.contract import ContractError

from tests.aot import sabotage
from tests.stopped.module import TEXT

_LOOPS = """(module (memory 1)
  (func (export "few") (param i32) (result i32) (local i32)
    (loop (local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const 33)) (local.get 1)))
      (br_if 0 (i32.ne (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 1000))))
    (local.get 0))
  (func (export "bits") (param i64) (result i64) (local i64)
    (loop (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 5)) (i64.and (local.get 0) (i64.const 3))))
      (br_if 0 (i64.ne (local.tee 0 (i64.shr_u (local.get 0) (i64.const 2))) (i64.const 0))))
    (local.get 1)))"""


def _stored(built: sabotage.Built) -> int:
    """Where in the code the word is stored, by `str.w rT, [rN, #-28]` (ARM ARM A7.7.161, encoding T4)."""
    code = built.code.data
    for at in range(0, len(code) - 4, 2):
        first, second = (int.from_bytes(code[i : i + 2], "little") for i in (at, at + 2))
        if first & 0xFFF0 == 0xF840 and second & 0xFFF == 0xC1C and second >> 12 != 15:
            return at
    raise AssertionError("the word is stored nowhere")


def test_what_is_stored_elsewhere_is_refused() -> None:
    """One byte: 28 becomes 4, where the header has the runtime."""
    wasm = bytes(wasmtime.wat2wasm(TEXT))
    built = sabotage.build(wasm, "cortex-m4f", interruptible=True)
    built.check()
    with pytest.raises(ContractError, match="a write at -4 from the instance pointer"):
        built.in_both(_stored(built) + 2, b"\x04").check()


def test_a_poll_that_is_given_no_instance_pointer_is_refused() -> None:
    """`mov r0, rM` before a call becomes `movs r0, #0` (ARM ARM A7.7.77, encoding T1; A7.7.76, encoding T1)."""
    built = sabotage.build(bytes(wasmtime.wat2wasm(TEXT)), "cortex-m4f", interruptible=True)
    calls = [
        piece.offset + r.offset
        for piece, of in built.own()
        for r in of.relocations(of.by_name[piece.section])
        if of.symbols[r.symbol].name == "insitu_poll"
    ]
    moved = [at for at in calls if built.code.data[at - 2] & 0x87 == 0 and built.code.data[at - 1] == 0x46]
    assert moved
    for at in moved:
        with pytest.raises(ContractError, match="the runtime is not given the instance pointer"):
            built.in_both(at - 2, b"\x00\x20").check()


def test_what_is_not_to_be_stopped_knows_nothing_of_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same to the byte without all that places them."""

    def unusable(*_: object) -> None:
        raise NotImplementedError

    wasm = bytes(wasmtime.wat2wasm(TEXT))
    there = aot.compile_wasm(wasm, "cortex-m0plus")
    for module, name in ((polls, "placed"), (polls, "with_stand_in"), (polls, "_Function"), (link, "_poll")):
        monkeypatch.setattr(module, name, unusable)
    assert aot.compile_wasm(wasm, "cortex-m0plus") == there
    with pytest.raises(NotImplementedError):
        aot.compile_wasm(wasm, "cortex-m0plus", aot.Options(interruptible=True))


# A switch leads several times to where a way with a poll leads, too.
_SWITCH = """(module (type $t (func (result i32))) (table 4 funcref) (elem (i32.const 0) $five $five $five $on)
  (func $five (type $t) (i32.const 5))
  (func $on (type $t) (call $pick (i32.const 2)))
  (func $pick (export "pick") (param i32) (result i32) (call_indirect (type $t) (local.get 0))))"""


def test_switches() -> None:
    assert aot.compile_wasm(bytes(wasmtime.wat2wasm(_SWITCH)), "cortex-m4f", aot.Options(interruptible=True))


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
def test_few_turns_need_no_poll(target: str) -> None:
    """And then the code is that of a module that was not built to be stopped, but for the routine."""
    wasm = bytes(wasmtime.wat2wasm(_LOOPS))
    plain, polling = (aot.compile_module(wasm, target, aot.Options(interruptible=how)) for how in (False, True))
    assert "insitu_poll" not in plain.code.symbols
    for name in "f0", "f1":
        code, there = plain.code.symbols[name], polling.code.symbols[name]
        assert plain.code.data[code : code + 16] == polling.code.data[there : there + 16]
