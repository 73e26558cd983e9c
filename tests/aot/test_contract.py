"""The contract refuses code with one property broken, and names where; good code it lets pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import wasmtime
from insitu import aot
from insitu.aot import units
from insitu.aot.contract import ContractError
from insitu.aot.contract.elf import Object
from insitu.aot.link import Piece
from insitu.aot.targets import TARGETS
from insitu.commands.inspect import image_facts
from insitu.places import CHECKOUT as ROOT
from insitu.toolchain import compile_c

from tests.aot import sabotage
from tests.aot.sabotage import Built, Patch

CALLS = """(module (import "e" "f" (func $f (param i32) (result i32))) (memory 1 3) (table (export "t") 4 funcref)
  (table $grows 4 90 funcref)
  (global $g (mut i32) (i32.const 5))
  (elem (i32.const 0) $f $results $through)
  (type $t (func (param i32 i32 i64) (result i64 i64 i64)))
  (func $results (type $t) (local.get 2) (local.get 2) (i64.extend_i32_u (call $f (i32.const 3))))
  (func $through (export "through") (type $t)
    (call_indirect (type $t) (local.get 0) (local.get 1) (local.get 2) (local.get 0)))
  (func $recursive (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.load (i32.const 8)) (call $recursive (i32.sub (local.get 0) (i32.load (i32.const 4))))))
      (else (i32.const 5))))
  (func $one (param i32) (result i32) (local i64 i64)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
    (local.set 1 (i64.load (i32.const 16)))
    (global.set $g (i32.add (global.get $g) (call $two (i32.sub (local.get 0) (i32.const 1)))))
    (i32.wrap_i64 (i64.add (local.get 1) (i64.load (i32.const 24)))))
  (func $two (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 2))))
    (i32.mul (call $one (i32.shr_u (local.get 0) (i32.const 1))) (call $recursive (local.get 0))))
  (func (export "run") (param i32) (result i32)
    (drop (memory.grow (local.get 0))) (drop (table.grow $grows (ref.null func) (i32.const 1)))
    (i32.add (call $recursive (local.get 0)) (call $two (local.get 0))))
  (func (export "second") (param i32 i32) (result i32)
    (i32.add (call_indirect $grows (param i32) (result i32) (local.get 0) (local.get 1))
      (call_indirect (param i32) (result i32) (local.get 1) (local.get 0))))
  (func (export "switch") (param i32) (result i32)
    (block (block (block (block (block (block (block (br_table 0 1 2 3 4 5 6 (local.get 0)))
      (drop (call $recursive (i32.const 1))) (return (i32.const 7)))
      (i32.store (i32.const 0) (i32.const 1)) (return (i32.const 17)))
      (return (i32.const 57))) (drop (call $f (i32.const 8))) (return (i32.const 21)))
      (return (i32.mul (local.get 0) (i32.const 23)))) (return (call $f (i32.const 4)))) (i32.const 9)))"""
KERNELS = ("list", "interpreter", "quicksort")


@cache
def _calls(target: str) -> Built:
    return sabotage.build(bytes(wasmtime.wat2wasm(CALLS)), target)


def _refused(patches: list[Patch], make: Callable[[int, bytes], Built]) -> Counter[str]:
    """How many of each kind; fails where one passes."""
    counted: Counter[str] = Counter()
    for kind, offset, data in patches:
        broken = make(offset, data)
        with pytest.raises(ContractError):
            broken.check()
            pytest.fail(f"{kind} at {offset:#x} passed: {data.hex()}")
        counted[kind] += 1
    return counted


@pytest.mark.parametrize("target", TARGETS)
def test_good_code_passes(target: str) -> None:
    assert _calls(target).check().guard > 0


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_sabotage_in_what_the_compiler_wrote(target: str) -> None:
    """The object file has it, too: what the instructions do is proven, not that they are the same."""
    built = _calls(target)
    checks = [*sabotage.stack_checks(built), *sabotage.signature_checks(built)]
    patches = [*checks, *sabotage.frames(built), *sabotage.calls(built), *sabotage.anywhere(built, 5)]
    counted = _refused(patches, built.in_both)
    print(target, dict(counted))
    assert counted["stack check left out"] >= 6 and counted["signature check left out"] >= 2
    assert counted["call of a thunk"] >= 4 and counted["frame enlarged"] + counted["return changed"] >= 6
    assert counted.total() >= 150


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_sabotage_of_the_image(kernel: str, target: str, tmp_path: Path) -> None:
    """Every conditional branch, those of the bounds checks among them, left out and inverted."""
    wasm = compile_c(ROOT / "bench" / "kernels" / f"{kernel}.c", tmp_path / "k.wasm").read_bytes()
    built = sabotage.build(wasm, target)
    built.check()
    counted = _refused(list(sabotage.changed_branches(built)), built.in_image)
    print(target, kernel, dict(counted))
    assert counted.total() >= 30


@pytest.mark.parametrize("target", TARGETS)
def test_a_foreign_function(target: str) -> None:
    """Of no input; of an input that is none of the module's; renamed in the object file."""
    built = _calls(target)
    more = replace(built.code, data=built.code.data + bytes.fromhex("7047c046"))
    with pytest.raises(ContractError, match="bytes of no input"):
        replace(built, code=more).check()
    pieces = (*built.code.pieces, Piece(len(built.code.data), 4, "evil.o", ".text"))
    with pytest.raises(ContractError, match="none of its inputs"):
        replace(built, code=replace(more, pieces=pieces)).check()
    first, *others = built.objects
    of = Object(first)
    symbol = of.symbol_table.offset + 16 * next(i for i, symbol in enumerate(of.symbols) if symbol.name == "f1")
    renamed = bytearray(first)
    renamed[symbol] += 1  # the name's offset: it is "1" now
    with pytest.raises(ContractError):
        replace(built, objects=[bytes(renamed), *others]).check()


@pytest.mark.parametrize("target", TARGETS)
def test_an_error_names_function_and_offset(target: str) -> None:
    built = _calls(target)
    kind, offset, data = next(sabotage.stack_checks(built))
    with pytest.raises(ContractError, match=r"function \d.*offset 0x[0-9a-f]+ of it: .*bug of insitu") as caught:
        built.in_both(offset, data).check()
    assert kind == "stack check left out" and caught.value.offset > 0


def _specialised() -> str:
    """A recursion whose loop LLVM computes ahead where the first argument is constant: large enough for a clone."""
    known = "(local.get 0)"
    for i in range(300):
        known = f"(i32.xor (i32.mul {known} (i32.const {2 * i + 3})) (i32.const {i * 77 + 1}))"
    return f"""(module
      (func $f (param i32 i32 i32) (result i32) (local i32)
        (loop $again
          (local.set 2 (i32.add (local.get 2) {known}))
          (br_if $again (i32.lt_u (local.tee 3 (i32.add (local.get 3) (i32.const 1))) (local.get 2))))
        (if (result i32) (local.get 1) (then (i32.add (local.get 2)
            (call $f (local.get 0) (i32.sub (local.get 1) (i32.const 1)) (local.get 2))))
          (else (local.get 2))))
      (func (export "run") (param i32) (result i32)
        (i32.add (call $f (i32.const 1) (local.get 0) (i32.const 5))
          (call $f (i32.const 2) (local.get 0) (local.get 0)))))"""


def test_clones_of_llvm_are_the_program_s() -> None:
    """f0.specialized.1 was taken for a library helper: a recursion was promised an operand stack of 248 bytes."""
    wasm = bytes(wasmtime.wat2wasm(_specialised()))
    for target in TARGETS:
        assert image_facts(aot.compile_wasm(wasm, target))["operand_stack_needed"] is None
        built = sabotage.build(wasm, target)
        names = [symbol.name for _, of in built.own() for symbol in of.symbols if symbol.function]
        assert any(name.startswith("f0.specialized.") for name in names)
        assert {function.name for function in built.check().graph.functions.values()} >= set(names)


def _leaf_called_from_inside() -> str:
    """A function in a table that uses nothing of its instance and is too long to be inlined, and its caller."""
    rounds = "".join(
        f"(local.set 0 (i32.mul (i32.rotl (i32.xor (local.get 0) (local.get 1)) (i32.const {n % 31 + 1}))"
        f" (i32.add (local.get 1) (i32.const {2 * n + 1}))))"
        for n in range(40)
    )
    return f"""(module (table (export "t") 1 funcref) (elem (i32.const 0) $leaf)
      (func $leaf (param i32 i32) (result i32) {rounds} (local.get 0))
      (func (export "run") (param i32 i32) (result i32)
        (i32.add (call $leaf (local.get 0) (local.get 1)) (call $leaf (local.get 1) (local.get 0)))))"""


@pytest.mark.parametrize("target", TARGETS)
def test_the_instance_pointer_may_be_left_out_where_it_is_not_used(target: str) -> None:
    """LLVM passes nothing in an argument that the function called ignores, wherever else it is called from."""
    assert aot.compile_wasm(bytes(wasmtime.wat2wasm(_leaf_called_from_inside())), target)


def test_a_helper_that_each_unit_has_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an access of 4 bytes may be a call, all units are linked with the first one's."""
    monkeypatch.setattr(units, "_UNIT", 1)
    loop = """(func (export "%s") (param i32)
      (loop (local.set 0 (i32.sub (local.get 0) (i32.const 8))) %s (br_if 0 (local.get 0))))"""
    word = "(i32.store (local.get 0) (local.get 0))"
    pair = "(i64.store (local.get 0) (i64.load (i32.load (local.get 0))))"
    module = f"(module (memory 1) {loop % ('word', word)} {loop % ('pair', word + pair)})"
    aot.compile_wasm(bytes(wasmtime.wat2wasm(module)), "cortex-m0plus", aot.Options(interruptible=True))
