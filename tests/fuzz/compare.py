"""One module on one target against wasmtime."""

from __future__ import annotations

from typing import Any

import wasmtime
from insitu.aot.window import Wanted

from tests.fuzz import generate
from tests.fuzz.machines import OVERFLOW, Insitu, Wasmtime, exports, trap_name

CALLS = 3
_OVERFLOW = "trap: " + OVERFLOW


def _oracle(wasm: bytes) -> tuple[Wasmtime | None, str]:
    try:
        return Wasmtime(wasm), ""
    except wasmtime.Trap as trap:
        return None, trap_name(trap)


def differences(wasm: bytes, target: str, seed: int, window: Wanted | None = None) -> list[str]:
    """What insitu does otherwise than wasmtime: empty where it does the same.

    Stops at a stack overflow of either, where both may be right: the standard leaves the depth open.
    """
    wanted, trap = _oracle(wasm)
    found = Insitu(wasm, target, window)
    started = found.start()
    if started != trap:
        return (
            []
            if _OVERFLOW in (started, trap)
            else [f"instantiation: {started or 'works'}, wasmtime: {trap or 'works'}"]
        )
    if wanted is None:
        return []
    number = 0
    for _ in range(CALLS):
        for export in exports(wasm)[0]:
            arguments: list[Any] = generate.arguments(seed, number, export.params)
            number += 1
            ours, theirs = found.call(export, arguments), wanted.call(export, arguments)
            if _OVERFLOW in (ours, theirs):
                return []
            if ours != theirs:
                return [f"{export.name}{tuple(arguments)}: {ours!r}, wasmtime: {theirs!r}"]
            if wrong := _states(found.state(), wanted.state()):
                return [f"after {export.name}{tuple(arguments)}: {text}" for text in wrong]
    found.runtime.heap.check()
    return []


def _states(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    return [f"{name} is {ours[name]}, wasmtime: {theirs[name]}" for name in theirs if ours[name] != theirs[name]]
