"""What a system is made of, before it is text: modules, their functions as lists of statements, and a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import wasmtime

WAT = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "p": "funcref", "x": "externref"}
PAGE = 65536
Step = tuple[Any, ...]


@dataclass
class Signature:
    """Of a function: letters of parameters and results."""

    params: str
    results: str

    def text(self) -> str:
        params = f" (param {' '.join(WAT[t] for t in self.params)})" if self.params else ""
        results = f" (result {' '.join(WAT[t] for t in self.results)})" if self.results else ""
        return params + results


@dataclass
class Memory:
    """Linear memory as its owner has it.

    Attributes:
        end: bytes up to which there is something to begin with, where it may be truncated; otherwise whole pages.
        marked: exports a toolchain's marks, so that it may be truncated at end.
        grows: whether growing it can work.
        host_limit: the owner declares no maximum, and insitu then refuses all growth.
    """

    minimum: int
    maximum: int | None
    end: int
    marked: bool = False
    grows: bool = False
    host_limit: bool = False


@dataclass
class Table:
    letter: str
    minimum: int
    maximum: int | None


@dataclass
class Variable:
    letter: str
    mutable: bool


Thing = Signature | Memory | Table | Variable


@dataclass
class Import:
    """origin: (module, export) of where it is defined; for "host" the module is -1."""

    module: str
    name: str
    local: str
    thing: Thing
    origin: tuple[int, str]
    limits: str = ""  # of memories and tables, as the importer declares them

    def text(self, in_bytes: bool) -> str:
        """in_bytes: the memory is a truncated one, which has pages of one byte: pages that it must have are bytes."""
        head = f'(import "{self.module}" "{self.name}" '
        thing = self.thing
        if isinstance(thing, Signature):
            return f"{head}(func ${self.local}{thing.text()}))"
        if isinstance(thing, Memory):
            limits = self.limits
            if in_bytes:
                limits = " ".join(str(int(pages) * PAGE) for pages in limits.split()) + " (pagesize 1)"
            return f"{head}(memory ${self.local} {limits}))"
        if isinstance(thing, Table):
            return f"{head}(table ${self.local} {self.limits} {WAT[thing.letter]}))"
        kind = f"(mut {WAT[thing.letter]})" if thing.mutable else WAT[thing.letter]
        return f"{head}(global ${self.local} {kind}))"


@dataclass
class Function:
    """statements: each leaves the stack as it was, so that any may be taken out."""

    name: str
    signature: Signature
    exported: bool = True
    head: list[str] = field(default_factory=list)  # locals and what is never taken out
    statements: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    def text(self) -> str:
        export = f' (export "{self.name}")' if self.exported else ""
        body = "\n    ".join([*self.head, *self.statements, *self.results])
        return f"  (func ${self.name}{export}{self.signature.text()}\n    {body})"


@dataclass
class Module:
    """Attributes:
    padding: tables that only insitu's text has, before all others of its own (wasmtime allows 100 at most).
    """

    number: int
    imports: list[Import] = field(default_factory=list)
    memory: tuple[str, Memory, str] | None = None  # name of the export ("": none), limits as text
    tables: list[tuple[str, bool, Table]] = field(default_factory=list)
    variables: list[tuple[str, bool, Variable, str]] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    exports: list[str] = field(default_factory=list)  # of imports
    segments: list[str] = field(default_factory=list)
    start: str = ""
    padding: int = 0
    binary: bytes = b""  # instead of all the above

    def wasm(self, oracle: bool, truncated: dict[int, int] | None = None) -> bytes:
        """The module in binary; see text."""
        return self.binary or bytes(wasmtime.wat2wasm(self.text(oracle, truncated)))

    def text(self, oracle: bool, truncated: dict[int, int] | None = None) -> str:
        """WebAssembly text. truncated: bytes of the memories that are truncated, by the module that has them."""
        truncated = truncated or {}
        lines = ["(module"]
        lines += ["  " + i.text(oracle and i.origin[0] in truncated) for i in self.imports]
        if self.padding and not oracle:
            lines += ["  (table 0 funcref)"] * self.padding
        for name, exported, table in self.tables:
            export = f' (export "{name}")' if exported else ""
            most = "" if table.maximum is None else f" {table.maximum}"
            lines.append(f"  (table ${name}{export} {table.minimum}{most} {WAT[table.letter]})")
        if self.memory:
            name, memory, limits = self.memory
            if oracle and self.number in truncated:
                limits = f"{truncated[self.number]} {truncated[self.number]} (pagesize 1)"
            elif oracle and memory.host_limit:
                limits = f"{memory.minimum} {memory.minimum}"
            export = f' (export "{name}")' if name else ""
            lines.append(f"  (memory $m{export} {limits})")
        for name, exported, variable, init in self.variables:
            export = f' (export "{name}")' if exported else ""
            kind = f"(mut {WAT[variable.letter]})" if variable.mutable else WAT[variable.letter]
            lines.append(f"  (global ${name}{export} {kind} {init})")
        lines += ["  " + line for line in self.exports]
        if self.start:
            lines.append(f"  (start ${self.start})")
        lines += ["  " + line for line in self.segments]
        lines += [function.text() for function in self.functions]
        return "\n".join(lines) + ")\n"


@dataclass
class System:
    """Attributes:
    hosts: host functions, see host.py; constants: globals that the host provides.
    names: {(module, export): what the function is called where it is defined}.
    steps: what device.Device.step takes.
    """

    modules: list[Module]
    hosts: list[Any]
    constants: list[Any]
    names: dict[tuple[int, str], str]
    steps: list[Step]
