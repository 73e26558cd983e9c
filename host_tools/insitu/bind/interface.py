"""What a module exports and imports, with names that Python takes."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection
from dataclasses import dataclass

from insitu.aot.signature import string
from insitu.port.host.wasi import NAME as WASI
from insitu.wasm.debug import parameter_names
from insitu.wasm.module import Module

WASM_TYPES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "p": "funcref", "x": "externref"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Attributes: name: for Python; letters: of the function's own parameters that it stands for; type: of a pair of
    pointer and length, "bytes" or "str"; otherwise ""."""

    name: str
    letters: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """Attributes: name: the module's; python: the one that it has in Python; results: letters."""

    name: str
    python: str
    parameters: tuple[Parameter, ...]
    results: str

    @property
    def signature(self) -> str:
        """In WebAssembly's terms, for a person."""
        parameters = ", ".join(f"{p.name}: {p.type or WASM_TYPES[p.letters]}" for p in self.parameters)
        results = ", ".join(WASM_TYPES[letter] for letter in self.results)
        return f"{self.name}({parameters}){f' -> {results}' if results else ''}"


@dataclass(frozen=True, slots=True)
class Interface:
    """Attributes: imports: functions by the module that they come from, WASI's apart; python: its name in Python, by
    that module; wasi: whether that is used; reactor: whether _initialize must be called; awaited: whether exports are
    coroutines, and imports may be."""

    exports: tuple[Function, ...]
    imports: dict[str, tuple[Function, ...]]
    python: dict[str, str]
    wasi: bool
    reactor: bool
    awaited: bool = False


def identifier(text: str, taken: Collection[str] = ()) -> str:
    """text as a name of Python that is not taken."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII) or "_"
    name = f"_{name}" if name[0].isdigit() else name
    while keyword.iskeyword(name) or name in taken:
        name += "_"
    return name


def of_module(module: Module, reserved: Collection[str], used: Collection[str]) -> Interface:
    """The interface. reserved: names that no export and no import may have in Python; used: no parameter either."""
    described = parameter_names(module)
    taken = set(reserved)
    exports = []
    for export in module.exports:
        if export.kind == "func" and export.name not in ("_initialize", "__wasm_call_ctors"):
            function = _function(module, export.index, export.name, taken, used, described)
            taken.add(function.python)
            exports.append(function)
    imports: dict[str, tuple[Function, ...]] = {}
    for index, item in enumerate(module.imported("func")):
        if item.module != WASI:
            known = imports.get(item.module, ())
            function = _function(module, index, item.name, {f.python for f in known}, used, described)
            imports[item.module] = (*known, function)
    names: dict[str, str] = {}
    for name in imports:
        names[name] = identifier(name, {*taken, *names.values()})
    wasi = any(item.module == WASI for item in module.imports)
    reactor = any(export.name == "_initialize" for export in module.exports)
    return Interface(tuple(exports), imports, names, wasi, reactor)


def _function(
    module: Module,
    index: int,
    name: str,
    taken: Collection[str],
    used: Collection[str],
    described: dict[str, list[str]],
) -> Function:
    parameters, _, results = string(module.func_types[index]).partition(":")
    linked = module.names.functions.get(index, name)
    local = module.names.locals.get(index, {})
    known = described.get(linked) or described.get(name) or []
    if len(known) != len(parameters):
        known = [local.get(i, "") for i in range(len(parameters))]
    made: list[Parameter] = []
    for i, letter in enumerate(parameters):
        made.append(Parameter(identifier(known[i] or f"a{i}", {*used, *(p.name for p in made)}), letter))
    return Function(name, identifier(name, taken), tuple(made), results)
