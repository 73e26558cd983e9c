"""Functions of an image that are followed in several groups: what one group of all finds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import wasmtime
from insitu.aot import contract
from insitu.aot.contract import ContractError, groups

from tests.aot import sabotage
from tests.aot.test_contract import CALLS

# behind calls of what never returns LLVM lets a function end; the last one is reached through the others alone
_ENDS = """(func $end (param i32) (drop (i32.load (local.get 0))) unreachable)
  (func $ends (param i32) (call $end (i32.load (local.get 0))) (drop (call $recursive (local.get 0))))
  (func (export "ends") (param i32) (if (local.get 0) (then (call $ends (local.get 0)))))"""
_WASM = bytes(wasmtime.wat2wasm(CALLS.removesuffix(")") + _ENDS + ")"))


def _in_groups(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(groups, "_SIZE", 64)
    monkeypatch.setattr(groups.os, "cpu_count", lambda: cores)


def _found(use: contract.StackUse) -> tuple[object, ...]:
    """In which order calls were come to does not matter."""
    walks = {
        start: replace(walk, calls=sorted(walk.calls, key=lambda call: call.at))
        for start, walk in use.graph.walks.items()
    }
    return use.guard, use.needed, walks


@pytest.mark.parametrize(("name", "cores"), [("cortex-m4f", 2), ("cortex-m0plus", 1), ("rv32imc", 1)])
def test_groups_find_what_one_finds(name: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    built = sabotage.build(_WASM, name)
    alone = _found(built.check())
    _in_groups(monkeypatch, cores)
    assert _found(built.check()) == alone


def test_what_a_process_refuses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    built = sabotage.build(_WASM, "cortex-m4f")
    asks = b"\x00\xdf"  # SVC #0
    broken = built.in_both(built.code.symbols["f6"], asks)
    _in_groups(monkeypatch, 2)
    with pytest.raises(ContractError, match=r"function 6.*svc #0 is none of the instructions") as caught:
        broken.check()
    assert caught.value.offset == 0
