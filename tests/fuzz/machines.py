"""The two that are compared: a module's calls on each give the same trace."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Protocol

import wasmtime
from insitu import aot, sim
from insitu.aot.window import Wanted
from insitu.wasm.decode import decode

FLASH, HEAP, STACK = 0x08000000, 1 << 20, 1 << 17
OVERFLOW = "stack overflow"
_LETTERS = {"i32": "i", "i64": "I", "f32": "f", "f64": "F", "funcref": "p", "externref": "x"}
_TRAPS = {
    "STACK_OVERFLOW": OVERFLOW,
    "MEMORY_OUT_OF_BOUNDS": "out of bounds memory access",
    "TABLE_OUT_OF_BOUNDS": "table",
    "INDIRECT_CALL_TO_NULL": "uninitialized element",
    "BAD_SIGNATURE": "indirect call type mismatch",
    "INTEGER_OVERFLOW": "integer overflow",
    "INTEGER_DIVISION_BY_ZERO": "integer divide by zero",
    "BAD_CONVERSION_TO_INTEGER": "invalid conversion to integer",
    "UNREACHABLE": "unreachable",
}
_TABLE_TRAPS = ("undefined element", "out of bounds table access")


@dataclass(frozen=True, slots=True)
class Export:
    """A function: its name, and parameters and results as letters."""

    name: str
    params: str
    results: str


class MachineLike(Protocol):
    def call(self, export: Export, arguments: list[Any]) -> str: ...

    def state(self) -> dict[str, str]: ...


def exports(wasm: bytes) -> tuple[list[Export], list[tuple[str, str]], list[str]]:
    """Exported functions, globals (name, letter) and memories."""
    module = decode(wasm)
    functions, variables, memories = [], [], []
    for export in module.exports:
        if export.kind == "func":
            kind = module.func_types[export.index]
            functions.append(Export(export.name, _letters(kind.params), _letters(kind.results)))
        elif export.kind == "global":
            variables.append((export.name, _LETTERS[module.global_types[export.index].valtype.name]))
        elif export.kind == "memory":
            memories.append(export.name)
    return functions, variables, memories


def _letters(types: Any) -> str:
    return "".join(_LETTERS[t.name] for t in types)


def show(letter: str, value: Any) -> str:
    """A value as text that is equal where the values' bits are."""
    if letter in "px":
        if isinstance(value, wasmtime.Val):  # what its binding gives for a null in a global
            value = value.value
        return "null" if value is None else "reference"
    if letter in "fF":
        if value != value:
            return "nan"
        return struct.pack("<f" if letter == "f" else "<d", value).hex()
    return str(value & (0xFFFFFFFF if letter == "i" else 0xFFFFFFFFFFFFFFFF))


def _results(export: Export, value: Any) -> str:
    values = [] if not export.results else list(value) if len(export.results) > 1 else [value]
    return " ".join(show(t, v) for t, v in zip(export.results, values, strict=True))


class Wasmtime:
    """The oracle. Raises wasmtime.Trap or wasmtime.WasmtimeError where it does not instantiate."""

    def __init__(self, wasm: bytes) -> None:
        self.store = wasmtime.Store()
        self.instance = wasmtime.Instance(self.store, wasmtime.Module(self.store.engine, wasm), [])
        _, self.variables, self.memories = exports(wasm)

    def call(self, export: Export, arguments: list[Any]) -> str:
        function = self.instance.exports(self.store)[export.name]
        assert isinstance(function, wasmtime.Func)
        try:
            return _results(export, function(self.store, *arguments))
        except wasmtime.Trap as trap:
            return trap_name(trap)

    def state(self) -> dict[str, str]:
        found = {}
        there = self.instance.exports(self.store)
        for name, letter in self.variables:
            variable = there[name]
            assert isinstance(variable, wasmtime.Global)
            found["global " + name] = show(letter, variable.value(self.store))
        for name in self.memories:
            memory = there[name]
            assert isinstance(memory, wasmtime.Memory)
            found["memory " + name] = hashlib.sha256(memory.read(self.store)).hexdigest()
        return found


def trap_name(trap: wasmtime.Trap) -> str:
    code = trap.trap_code
    return "trap: " + (_TRAPS.get(code.name, code.name) if code else str(trap))


class Insitu:
    """The module compiled for target, on the runtime of port/ and a simulated CPU that maps nothing else."""

    def __init__(self, wasm: bytes, target: str, window: Wanted | None = None) -> None:
        cpu = sim.install(sim.Cpu(target, seconds=60.0))
        from insitu import port

        self.errors = port.errors
        cpu.map_flash(FLASH, aot.compile_wasm(wasm, target, aot.Options(window=window)))
        self.runtime = port.Runtime(bytearray(HEAP))
        self.module = self.runtime.load(FLASH)
        self.instance: Any = None
        _, self.variables, self.memories = exports(wasm)

    def start(self) -> str:
        """Instantiate; "" or the trap."""
        try:
            self.instance = self.module.instantiate(stack_size=STACK)
        except self.errors.Trap as error:
            return _trap(error)
        return ""

    def call(self, export: Export, arguments: list[Any]) -> str:
        try:
            return _results(export, self.instance.lookup_function(export.name)(*arguments))
        except self.errors.Trap as error:
            return _trap(error)

    def state(self) -> dict[str, str]:
        found = {}
        for name, letter in self.variables:
            found["global " + name] = show(letter, self.instance.lookup(name).value)
        for name in self.memories:
            memory = self.instance.lookup(name)
            found["memory " + name] = hashlib.sha256(memory.read(0, memory.size)).hexdigest()
        return found


def _trap(error: Any) -> str:
    text = str(error)
    for name in (*_TRAPS.values(), *_TABLE_TRAPS):
        if name in text:
            return "trap: " + ("table" if name in _TABLE_TRAPS else name)
    return "trap: " + text
