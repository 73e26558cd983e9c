"""The choice between several code generations, and units that are compiled apart."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime
from insitu import aot, sim
from insitu.aot import cost, efforts, generate, loops, optimise, units
from insitu.aot.contract.elf import Object
from insitu.aot.plan import Plan
from insitu.aot.targets import target
from insitu.aot.workers import _Worker
from insitu.toolchain import compile_c
from insitu.wasm.decode import decode

from tests.aot.sabotage import build

ROOT = Path(__file__).parents[2]
_FLASH = 0x08000000
# A table's sum through memory, and functions that call each other, forth and back; the last traps at a store's address.
_MODULE = """(module (memory (export "memory") 1)
  (func $sum (export "sum") (param i32 i32) (result i32) (local i32)
    (loop $again
      (local.set 2 (i32.add (local.get 2) (i32.load (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (local.get 2))
  (func $fill (export "fill") (param i32 i32)
    (loop $again
      (i32.store (local.get 0) (local.get 1))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
  (func $even (export "even") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $odd (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 1))))
  (func $odd (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $even (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))))"""
_WASM = bytes(wasmtime.wat2wasm(_MODULE))
_TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")


def _instance(image: bytes, name: str):  # type: ignore[no-untyped-def]
    cpu = sim.install(sim.Cpu(name))
    from insitu import port

    cpu.map_flash(_FLASH, image)
    return port, port.Runtime(bytearray(1 << 17)).load(_FLASH).instantiate(stack_size=4096)


def _behaves(image: bytes, name: str) -> None:
    """As the standard says; a loop that runs over the memory's end has written all before it, and nothing else."""
    port, instance = _instance(image, name)
    f = instance.exports
    f.fill(16, 100)
    assert f.sum(16, 100) == sum(range(1, 101))
    assert (f.even(40), f.even(41)) == (1, 0)
    before = bytes(instance.memory[0:416])
    with pytest.raises(port.Trap, match="out of bounds memory access"):
        f.fill(65536 - 12, 9)
    assert bytes(instance.memory[65536 - 12 : 65536]) == b"".join(n.to_bytes(4, "little") for n in (9, 8, 7))
    assert bytes(instance.memory[0:416]) == before
    with pytest.raises(port.Trap, match="out of bounds memory access"):
        f.sum(65536 - 40, 11)


@pytest.mark.parametrize("effort", efforts.EFFORTS)
@pytest.mark.parametrize("name", _TARGETS)
def test_each_effort_does_the_same(name: str, effort: str) -> None:
    _behaves(aot.compile_wasm(_WASM, name, aot.Options(optimise=effort)), name)


@pytest.mark.parametrize("name", _TARGETS)
def test_each_variant_does_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is chosen, and where each function is another's."""
    for n in range(3):
        monkeypatch.setattr(generate, "_cheapest", lambda costs, *_, n=n: n if costs[n] else 0)
        _behaves(aot.compile_wasm(_WASM, name), name)
    turns = iter(range(100))
    monkeypatch.setattr(generate, "_cheapest", lambda costs, *_: next(turns) % 3 if costs[1] else 0)
    assert len(build(_WASM, name).objects) > 1
    _behaves(aot.compile_wasm(_WASM, name), name)


@pytest.mark.parametrize("name", _TARGETS)
def test_each_function_in_a_unit_of_its_own_does_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_UNIT", 1)
    assert len(list(units.write(Plan(decode(_WASM), target(name))))) > 4
    _behaves(aot.compile_wasm(_WASM, name), name)


def test_the_same_bytes_on_any_number_of_cores_and_with_any_hash_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import os, sys; from insitu import aot; from insitu.aot import units\n"
        "os.cpu_count = lambda: int(sys.argv[1]); units._UNIT = 30\n"
        f"print(aot.compile_wasm(bytes.fromhex('{_WASM.hex()}'), 'cortex-m4f').hex())"
    )
    made = set()
    for cores, seed in (("1", "1"), ("5", "2")):
        command = [sys.executable, "-c", script, cores]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        made.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(made) == 1


def test_the_cheaper_code_is_taken(tmp_path: Path) -> None:
    """In the FIR filter's loop LLVM's strength reduction keeps more addresses than there are registers."""
    wasm = compile_c(ROOT / "bench" / "kernels" / "fir.c", tmp_path / "fir.wasm").read_bytes()
    plan = Plan(decode(wasm), target("cortex-m4f"))
    counts = {}
    for effort in (efforts.ONCE, efforts.SPEED):
        _, instance = _instance(aot.compile_wasm(wasm, "cortex-m4f", aot.Options(optimise=effort)), "cortex-m4f")
        with sim.current().counting() as counter:
            instance.exports.run(1)
        counts[effort] = counter.instructions
    assert counts[efforts.SPEED] < 0.9 * counts[efforts.ONCE]
    objects = [Object(data) for data in aot.object_files(plan)]
    defined = [symbol.name for of in objects for symbol in of.symbols if symbol.function]
    assert len(defined) == len(set(defined))


def test_small_functions_are_inlined_where_each_is_compiled_apart() -> None:
    text = """(module (memory 1)
      (func $load (param i32) (result i32) (i32.load (local.get 0)))
      (func $calls (param i32) (result i32) (call $calls (i32.load (local.get 0))))
      (func (export "f") (param i32) (result i32) (i32.add (call $load (local.get 0)) (call $calls (local.get 0)))))"""
    (unit,) = units.write(Plan(decode(bytes(wasmtime.wat2wasm(text))), target("cortex-m4f")))
    made = str(optimise.optimise(unit, target("cortex-m4f"), apart=True))
    assert "@f0(" not in made
    assert made.count("call i32 @f1(") == 2


def test_loops_in_loops_are_counted() -> None:
    graph = {0: [1], 1: [2, 6], 2: [3], 3: [3, 4], 4: [2, 5], 5: [1], 6: []}
    assert loops.depths(graph, 0) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 2, 5: 1, 6: 0}
    assert loops.depths({0: [1, 2], 1: [2, 3], 2: [1], 3: []}, 0) == {0: 0, 1: 1, 2: 1, 3: 0}  # entered in two places


def test_what_leads_to_a_trap_costs_nothing_but_its_bytes() -> None:
    plan = Plan(decode(bytes(wasmtime.wat2wasm('(module (func (export "f") unreachable))'))), target("cortex-m4f"))
    (data,) = aot.object_files(plan)
    found = cost.of_functions(data, plan.target)["f0"]
    assert found.weighed == 0 and found.bytes >= 4


def test_threads_get_the_same_bytes() -> None:
    """LLVM's options are the process's: a thread had those that another was just trying."""
    names = ["cortex-m0plus", "cortex-m4f", "rv32imc"] * 2
    alone = {name: aot.compile_wasm(_WASM, name) for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(lambda name: aot.compile_wasm(_WASM, name), names))
    assert made == [alone[name] for name in names]


def test_a_unit_that_llvm_aborts_in_is_compiled_with_light_passes(tmp_path: Path) -> None:
    """A process that has ended by a signal, as LLVM's end by its own, and what another makes of the same."""
    (text,) = units.write(Plan(decode(_WASM), target("cortex-m4f")))
    with (tmp_path / "said").open("w+b") as said, _Worker(target("cortex-m4f"), efforts.ONCE, said) as worker:
        first = worker.compile(text)
        worker._process.kill()
        second = worker.compile(text)
        third = worker.compile(text)
    light = units.compile_unit(text, target("cortex-m4f"), efforts.ONCE, light=True)
    assert first == third == units.compile_unit(text, target("cortex-m4f"), efforts.ONCE) != light == second


def test_an_error_in_a_process_says_what_it_is(tmp_path: Path) -> None:
    with (
        (tmp_path / "said").open("w+b") as said,
        _Worker(target("cortex-m4f"), efforts.ONCE, said) as worker,
        pytest.raises(RuntimeError, match="expected top-level entity"),
    ):
        worker.compile("no IR")


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m3"])
def test_requests_in_a_row_where_code_is_to_be_smallest(target: str) -> None:
    """LLVM would call what serves them through a register, with an address out of a table."""
    drops = "(data.drop $d) " * 4
    text = f'(module (memory 1) (data $d "abc") (func (export "f") {drops}))'
    assert aot.compile_wasm(bytes(wasmtime.wat2wasm(text)), target, aot.Options(optimise="size"))
