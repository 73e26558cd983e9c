"""A system under wasmtime: the same steps as device.py, with the same answers."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Callable
from typing import Any

import wasmtime

from tests.fuzz.machines import trap_name
from tests.fuzz.systems.host import Extern, Refused, World

_TYPES = {
    "i": wasmtime.ValType.i32,
    "I": wasmtime.ValType.i64,
    "f": wasmtime.ValType.f32,
    "F": wasmtime.ValType.f64,
    "p": wasmtime.ValType.funcref,
    "x": wasmtime.ValType.externref,
}
_FORMATS = {"f": ("<I", "<f"), "F": ("<Q", "<d")}
_SEEN = 24
# What insitu can never give either: its heap is smaller, and a table has at most 1 << 24 entries.
_MEMORY, _ENTRIES = 16 << 20, 1 << 20


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.wasm_custom_page_sizes = True  # a truncated memory is one whose pages are bytes
    config.memory_reservation = 0
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    config.cranelift_opt_level = "none"
    return wasmtime.Engine(config)


ENGINE = _engine()


def letter_of(kind: wasmtime.ValType) -> str:
    """The letter of a type."""
    return next(letter for letter, made in _TYPES.items() if str(made()) == str(kind))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, wasmtime.Val) else value


class Oracle(World):
    """modules: binary; names: see device.Device."""

    TRAP = wasmtime.Trap

    def __init__(
        self,
        modules: list[bytes],
        functions: list[Any],
        names: dict[tuple[int, str], str],
        constants: list[Any],
    ) -> None:
        super().__init__(functions, constants, len(modules))
        self.store = wasmtime.Store(ENGINE)
        self.store.set_limits(memory_size=_MEMORY, table_elements=_ENTRIES)
        self.modules = modules
        self.names = names
        self.known: dict[tuple[int, int], str] = {}  # functions by what stands for them

    def step(self, command: str, *args: Any) -> Any:
        outcome, trace = super().step(command, *args)
        return outcome, trace, self.state(), self.overflowed

    def failure(self, error: Exception) -> str:
        if isinstance(error, wasmtime.WasmtimeError):
            return "link: " + str(error)
        raise error

    # --- instances ---

    def _load(self, k: int) -> str:
        return "done"

    def _instantiate(self, k: int, fuel: int, extra: int) -> str:
        module = wasmtime.Module(ENGINE, self.modules[k])
        host = self.host_imports()
        self.host.fuel = fuel
        values = []
        for wanted in module.imports:
            instance = "host" if wanted.module == "host" else self.instances[int(wanted.module[1:])]
            names = host if instance == "host" else instance or {}
            if wanted.name not in names:
                return f"link: unknown import {wanted.module}.{wanted.name}"
            values.append(names[wanted.name])
        instance = wasmtime.Instance(self.store, module, values)
        self.instances[k] = found = dict(instance.exports(self.store).items())
        for name, thing in found.items():
            if isinstance(thing, wasmtime.Func):
                self.known.setdefault(_identity(thing), self.names.get((k, name), "?"))
        return "done"

    def function(self, number: int) -> wasmtime.Func:
        _, params, results, _, _ = self.host.functions[number]
        run = self.host.function(number)
        kind = wasmtime.FuncType([_TYPES[t]() for t in params], [_TYPES[t]() for t in results])
        return wasmtime.Func(self.store, kind, lambda *args: self._returned(results, run(*map(_plain, args))))

    def _returned(self, results: str, value: Any) -> Any:
        if not results:
            return None
        values = value if len(results) > 1 else (value,)
        made = [self._value(letter, v) for letter, v in zip(results, values, strict=True)]
        return made if len(results) > 1 else made[0]

    def constant(self, letter: str, value: Any) -> wasmtime.Global:
        return wasmtime.Global(self.store, wasmtime.GlobalType(_TYPES[letter](), False), self._value(letter, value))

    def _value(self, letter: str, value: Any) -> Any:
        if letter == "p":
            return wasmtime.Val.funcref(value)
        if letter == "x":
            return wasmtime.Val.externref(value)
        if letter in "iI":
            bits = 32 if letter == "i" else 64
            value &= (1 << bits) - 1
            value -= (value >> (bits - 1)) << bits
            return wasmtime.Val.i32(value) if letter == "i" else wasmtime.Val.i64(value)
        return wasmtime.Val.f32(value) if letter == "f" else wasmtime.Val.f64(value)

    # --- what host.py needs ---

    def trap_text(self, error: wasmtime.Trap) -> str:
        text = trap_name(error)
        if "stack overflow" in text:
            self.overflowed = True
        return text

    def refuel(self, variable: wasmtime.Global, fuel: int) -> None:
        variable.set_value(self.store, wasmtime.Val.i32(fuel))

    def export(self, k: int, name: str) -> Any:
        instance = self.instances[k]
        return None if instance is None else instance.get(name)

    def _thing(self, k: int, name: str) -> Any:
        found = self.export(k, name)
        if found is None:
            raise Refused
        return found

    def call(self, function: wasmtime.Func, values: list[Any]) -> list[str]:
        kind = function.type(self.store)
        letters, results = [letter_of(t) for t in kind.params], [letter_of(t) for t in kind.results]
        came = function(self.store, *[self._value(t, v) for t, v in zip(letters, values, strict=True)])
        found = [] if not results else [came] if len(results) == 1 else list(came)
        return [self.show(t, v, exact=True) for t, v in zip(results, found, strict=True)]

    def float(self, letter: str, bits: int) -> float:
        whole, packed = _FORMATS[letter]
        return float(struct.unpack(packed, struct.pack(whole, bits))[0])

    def show(self, letter: str, value: Any, exact: bool = False) -> str:
        value = _plain(value)
        if letter in "iI":
            return f"{value & (0xFFFFFFFF if letter == 'i' else 0xFFFFFFFFFFFFFFFF):x}"
        if letter in "fF":
            if not exact:
                return "float"
            if value != value:
                return "nan"
            whole, packed = _FORMATS[letter]
            return f"{struct.unpack(whole, struct.pack(packed, value))[0]:x}"
        if value is None:
            return "null"
        if isinstance(value, Extern):
            return f"extern {value.number}"
        return self.known.get(_identity(value), "?")

    @staticmethod
    def _try(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except (wasmtime.WasmtimeError, IndexError, OverflowError, ValueError, TypeError):
            raise Refused from None

    def grow(self, k: int, name: str, pages: int) -> Any:
        memory = self._thing(k, name)
        if not 0 <= pages < 1 << 32:
            raise Refused
        return self._try(lambda: memory.grow(self.store, pages))

    def write(self, k: int, name: str, at: int, data: bytes) -> str:
        memory = self._thing(k, name)
        if at < 0 or at + len(data) > memory.data_len(self.store):
            raise Refused
        memory.write(self.store, data, at)
        return "done"

    def read(self, k: int, name: str, at: int, length: int) -> bytes:
        memory = self._thing(k, name)
        if at < 0 or length < 0 or at + length > memory.data_len(self.store):
            raise Refused
        return bytes(memory.read(self.store, at, at + length))

    def tget(self, k: int, name: str, index: int) -> Any:
        table = self._thing(k, name)
        if not 0 <= index < table.size(self.store):
            raise Refused
        return _plain(table.get(self.store, index))

    def tset(self, k: int, name: str, index: int, value: Any) -> str:
        table = self._thing(k, name)
        if not 0 <= index < table.size(self.store):
            raise Refused
        table.set(self.store, index, self._value(letter_of(table.type(self.store).element), value))
        return "done"

    def tgrow(self, k: int, name: str, count: int, value: Any) -> Any:
        table = self._thing(k, name)
        if not 0 <= count < 1 << 32:
            raise Refused
        made = self._value(letter_of(table.type(self.store).element), value)
        return self._try(lambda: table.grow(self.store, count, made))

    def gget(self, k: int, name: str) -> str:
        return self._describe(self._thing(k, name))

    def gset(self, k: int, name: str, value: Any) -> str:
        variable = self._thing(k, name)
        kind = variable.type(self.store)
        if not kind.mutable:
            raise Refused
        variable.set_value(self.store, self._value(letter_of(kind.content), value))
        return "done"

    def load(self, k: int) -> str:
        return "done"

    def canary(self, size: int) -> str:
        return "done"

    def _canary(self, size: int) -> str:
        return "done"

    def _free_canary(self, number: int) -> str:
        return "done"

    # --- everything that can be seen ---

    def state(self) -> list[str]:
        found = []
        for k, instance in enumerate(self.instances):
            for name, thing in (instance or {}).items():
                text = self._describe(thing)
                if text:
                    found.append(f"m{k}.{name}: {text}")
        return found

    def _describe(self, thing: Any) -> str:
        if isinstance(thing, wasmtime.Func):
            return ""
        if isinstance(thing, wasmtime.Memory):
            data = thing.read(self.store)
            return f"{len(data)} bytes, {binascii.crc32(data):x}"
        if isinstance(thing, wasmtime.Table):
            count, letter = thing.size(self.store), letter_of(thing.type(self.store).element)
            seen = range(count) if count <= 2 * _SEEN else [*range(_SEEN), *range(count - _SEEN, count)]
            return f"{count} entries, {', '.join(self.show(letter, thing.get(self.store, i)) for i in seen)}"
        return self.show(letter_of(thing.type(self.store).content), thing.value(self.store), exact=True)


def _identity(function: wasmtime.Func) -> tuple[int, int]:
    """What is the same for each reference to a function of one instance."""
    raw = function._func
    return raw.store_id, getattr(raw, "__private")
