"""The operand stack that the call graph needs, against what running takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.commands.inspect import image_facts
from insitu.places import CHECKOUT as ROOT
from insitu.sim import CPUS as TARGETS
from insitu.toolchain import compile_c

FLASH = 0x08000000
KERNELS = ("crc32", "double", "fir", "int64", "interpreter", "matrix", "sha256", "words")
# Frames that grow on the way down, an indirect call, and a leaf that needs the library.
CHAIN = """(module (memory 1) (table (export "t") 1 funcref) (elem (i32.const 0) $leaf)
  (func $leaf (param i64 f64) (result i64)
    (i64.div_u (local.get 0) (i64.trunc_f64_u (f64.div (local.get 1) (f64.const 3)))))
  (func $middle (param i64) (result i64) (local i64)
    (local.set 1 (call_indirect (param i64 f64) (result i64) (local.get 0) (f64.const 30) (i32.const 0)))
    (i64.add (local.get 1) (call $leaf (local.get 0) (f64.const 9))))
  (func (export "run") (param i32) (result i32)
    (i32.wrap_i64 (i64.add (call $middle (i64.const 1000)) (call $middle (i64.extend_i32_u (local.get 0)))))))"""


def _run(image: bytes, target: str, stack: int, imports: dict[str, Any] | None = None) -> int:
    """Peak of the operand stack; raises what running raises."""
    cpu = insitu.sim.install(insitu.sim.Cpu(target))
    from insitu import port

    cpu.map_flash(FLASH, image)
    instance = port.Runtime(bytearray(100_000)).load(FLASH).instantiate(stack_size=stack, imports=imports)
    instance.exports.run(2)
    return int(instance.exec_env.stack_used())


def _check(wasm: bytes, target: str) -> None:
    image = aot.compile_wasm(wasm, target)
    needed = image_facts(image)["operand_stack_needed"]
    assert needed is not None
    smallest = max(needed, image_facts(image)["stack_guard"] + 64)
    assert _run(image, target, smallest) <= smallest
    assert _run(image, target, 8192) <= needed


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(kernel: str, target: str, tmp_path: Path) -> None:
    made = compile_c(ROOT / "bench" / "kernels" / f"{kernel}.c", tmp_path / "k.wasm")
    _check(made.read_bytes(), target)


@pytest.mark.parametrize("target", TARGETS)
def test_chain(target: str) -> None:
    _check(bytes(wasmtime.wat2wasm(CHAIN)), target)


@pytest.mark.parametrize(("locals_", "target"), [*((300, target) for target in TARGETS), (1500, "rv32imc")])
def test_frames_whose_size_comes_from_a_register(locals_: int, target: str) -> None:
    """Prologues that make the size with shifts (RISC-V), read it from a literal (ARMv6-M) or build it (ARMv7-M)."""
    loads = "".join(f"(local.set {i} (i64.load (i32.const {8 * i})))" for i in range(1, locals_))
    stores = "".join(f"(i64.store (i32.const {8 * i}) (local.get {i}))" for i in range(1, locals_))
    text = f"""(module (import "e" "f" (func $f)) (memory 1)
      (func (export "run") (param i32) (result i32) (local {"i64 " * locals_})
        {loads} (call $f) {stores} (i32.const 0)))"""
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target)
    facts = image_facts(image)
    needed = max(facts["operand_stack_needed"], facts["stack_guard"] + 64)
    assert 8 * (locals_ - 1) < _run(image, target, needed, {"e": {"f": lambda: None}}) <= facts["operand_stack_needed"]


def _chain_of_large_frames() -> bytes:
    """Five functions with frames of hundreds of bytes each, too long to be inlined away."""
    keep = "".join(f"(local.set {i} (i64.load (i32.const {8 * i})))" for i in range(1, 40))
    use = "".join(f"(i64.store (i32.const {8 * i}) (i64.xor (local.get {i}) (local.get 0)))" for i in range(1, 40))
    functions = [
        f'(func $f{n} (export "f{n}") (param i64) (local {"i64 " * 40}) {keep}'
        f"(call $f{n + 1} (i64.load (i32.const 0))) {use})"
        for n in range(5)
    ]
    last = "(func $f5 (param i64) (i64.store (i32.const 0) (local.get 0)))"
    run = '(func (export "run") (param i32) (result i32) (call $f0 (i64.const 1)) (i32.const 0))'
    return bytes(wasmtime.wat2wasm(f"(module (memory 1) {' '.join(functions)} {last} {run})"))


@pytest.mark.parametrize("target", TARGETS)
def test_less_than_needed_is_an_overflow(target: str) -> None:
    image = aot.compile_wasm(_chain_of_large_frames(), target)
    facts = image_facts(image)
    needed = facts["operand_stack_needed"]
    assert needed > facts["stack_guard"] + 4 * 300
    _run(image, target, needed)
    from insitu.port import errors

    with pytest.raises(errors.Trap, match="operand stack overflow"):
        _run(image, target, needed - 64)


@pytest.mark.parametrize("target", TARGETS)
def test_an_import_checks_the_stack_too(target: str) -> None:
    text = """(module (import "e" "f" (func $f (param i32) (result i32)))
      (func (export "run") (param i32) (result i32)
        (i32.add (call $f (local.get 0)) (call $f (i32.const 5)))))"""
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target)
    facts = image_facts(image)
    stack = max(facts["operand_stack_needed"], facts["stack_guard"] + 64)
    assert _run(image, target, stack, {"e": {"f": lambda x: x}}) <= stack


def test_recursion_has_no_bound() -> None:
    text = '(module (func $f (export "run") (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1))))'
    image = aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), "cortex-m4f")
    assert image_facts(image)["operand_stack_needed"] is None
