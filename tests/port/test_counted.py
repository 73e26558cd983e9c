"""Loops of interruptible modules whose turns are known before they begin, where one lies right behind another."""

from __future__ import annotations

import wasmtime
from insitu import aot

from tests.port.conftest import Device

# Each is a loop of one block, and nothing lies between them.
_LOOP = """(loop $%s
    (local.set $x (i32.rem_u (i32.mul (i32.add (local.get $x) (i32.const 12345)) (i32.const 69621)) (i32.const 7919)))
    (local.set $%s (i32.sub (local.get $%s) (i32.const 1)))
    (br_if $%s (local.get $%s)))"""
_WASM = bytes(
    wasmtime.wat2wasm(
        f"""(module (func (export "f") (param $a i32) (param $b i32) (result i32) (local $x i32)
          {_LOOP % (("a",) * 5)} {_LOOP % (("b",) * 5)} (local.get $x)))"""
    )
)


def test_a_loop_right_behind_another(device: Device) -> None:
    store = wasmtime.Store()
    oracle = wasmtime.Instance(store, wasmtime.Module(store.engine, _WASM), []).exports(store)["f"]
    exports = (
        device.load_image(aot.compile_wasm(_WASM, device.target, aot.Options(interruptible=True))).instantiate().exports
    )
    for turns in ((1, 1), (3, 200), (70_000, 2)):  # the last: more than are paid for at once
        assert exports.f(*turns) == oracle(store, *turns)  # type: ignore[operator]
