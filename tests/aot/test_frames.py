"""Routines that save and restore registers: followed as if they stood in their callers, and nothing else called so."""

from __future__ import annotations

from functools import cache

import pytest
import wasmtime
from insitu import sim
from insitu.aot import Compiled, compile_module, efforts
from insitu.aot.contract import ContractError, riscv
from insitu.aot.contract import instruction as do
from insitu.aot.options import Options
from insitu.aot.targets import TARGETS

from tests.aot import sabotage
from tests.aot.sabotage import Built
from tests.aot.test_contract import CALLS

_FLASH = 0x08000000
_WITH_FRAMES = [name for name, target in TARGETS.items() if target.frames]
# What is live across the calls of each function takes from 1 to 13 registers.
_LIVE = [f"(local.set {n} (call $f (local.get {n - 1})))" for n in range(1, 13)]
_SUM = "(local.get 0)" + "".join(f" (i32.mul (local.get {n}) (i32.const {2 * n + 1})) (i32.add)" for n in range(1, 13))
_MODULE = f"""(module (import "e" "f" (func $f (param i32) (result i32)))
  (func $all (param i32) (result i32) (local {"i32 " * 12}) {" ".join(_LIVE)} {_SUM})
  (func $two (param i32) (result i32)
    (i32.add (call $all (i32.add (local.get 0) (i32.const 1))) (call $f (local.get 0))))
  (func $deep (param i32 i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
    (i32.sub (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 2) (local.get 3) (local.get 1))
      (i32.add (i32.mul (local.get 2) (local.get 3)) (call $f (local.get 1)))))
  (func (export "run") (param i32) (result i32)
    (i32.xor (call $two (local.get 0)) (call $deep (i32.const 9) (local.get 0) (i32.const 7) (i32.const -3)))))"""


@cache
def _built(target: str) -> Built:
    return sabotage.build(bytes(wasmtime.wat2wasm(CALLS)), target, optimise=efforts.SIZE)


def _by_wasmtime(n: int) -> int:
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, _MODULE)
    i32 = wasmtime.ValType.i32()
    f = wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), lambda a: (a * 5 + 3) % 1000)
    return int(wasmtime.Instance(store, module, [f]).exports(store)["run"](store, n))


def _by_insitu(compiled: Compiled, target: str, n: int) -> int:
    cpu = sim.install(sim.Cpu(target))
    from insitu import port

    cpu.map_flash(_FLASH, compiled.image)
    runtime = port.Runtime(bytearray(0x4000))
    imports = {"e": {"f": lambda a: (a * 5 + 3) % 1000}}
    return int(runtime.load(_FLASH).instantiate(stack_size=2048, imports=imports).exports.run(n))


@pytest.mark.parametrize("target", ["rv32imc"])  # there is no simulated CPU with the other's instructions
def test_registers_are_as_before(target: str) -> None:
    compiled = compile_module(bytes(wasmtime.wat2wasm(_MODULE)), target, Options(optimise=efforts.SIZE))
    used = {name for name in compiled.code.symbols if name.startswith(("__riscv_save_", "__riscv_restore_"))}
    assert any(name.startswith("__riscv_save_") for name in used), used
    for n in (0, 1, -1, 12345):
        assert _by_insitu(compiled, target, n) == _by_wasmtime(n)


def _calls(built: Built) -> list[tuple[int, do.Instruction]]:
    """Of the routines, but those that the linker has not made a JAL of: offset and instruction."""
    routines = {at for name, at in built.code.symbols.items() if name.startswith("__riscv_")}
    found = []
    for offset, size, mnemonic, _ in sabotage.lines(built):
        if mnemonic in ("jal", "j", "c.j"):
            i = riscv.decode(built.code.data + bytes(4), offset)
            if offset + i.target in routines and size == 4:
                found.append((offset, i))
    return found


def _jal(register: int, distance: int) -> bytes:
    """The Instruction Set Manual, Volume I, 2.5.1."""
    d = distance
    word = (d >> 20 & 1) << 31 | (d >> 1 & 0x3FF) << 21 | (d >> 11 & 1) << 20 | (d >> 12 & 0xFF) << 12
    return (word | register << 7 | 0x6F).to_bytes(4, "little")


@pytest.mark.parametrize("target", _WITH_FRAMES)
def test_other_calls_are_refused(target: str) -> None:
    """A save left out, or with its return address in ra, or of other registers; a restore that takes another frame."""
    built = _built(target)
    built.check()
    symbols = built.code.symbols
    saves = [at for name, at in symbols.items() if name.startswith("__riscv_save_")]
    restores = [at for name, at in symbols.items() if name.startswith("__riscv_restore_")]
    refused = 0
    for offset, i in _calls(built):
        old, others = offset + i.target, saves if i.kept >= 0 else restores
        patches = [(5, to) for to in restores] if i.kept >= 0 else [(0, to) for to in saves]
        patches += [(5 if i.kept >= 0 else 0, to) for to in others if to != old] + [(1, old), (5, symbols["f0"])]
        for register, to in patches:
            with pytest.raises(ContractError):
                built.in_image(offset, _jal(register, to - offset)).check()
                pytest.fail(f"a jump at {offset:#x} to {to:#x} by register {register} passed")
            with pytest.raises(ContractError):
                built.in_both(offset, _jal(register, to - offset)).check()
                pytest.fail(f"a jump at {offset:#x} to {to:#x} by register {register}, made by LLVM, passed")
            refused += 2
    assert refused >= 40
