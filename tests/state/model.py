"""What the state machine's operations must give: which are refused, what calls return, who is alive.

The model follows the trace that a device gives (device.py). Where the standard or the runtime may do either of two
things (memory that does not grow, a heap that is full, a conservative refusal while code runs), it takes what the
trace says and goes on from there; everything else must be as it says.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.state.modules import COUNT

Operation = tuple[Any, ...]

PAGE = 65536
OVERFLOW = "wasm operand stack overflow"
_ERRORS = ("Error", "LinkError", "LoadError", "OutOfHeap", "HeapError")
_ADDED = {"A": 10, "D": 40, "S": 50}  # what "add" of a module adds
_CALLING = ("back", "deep", "callt", "backt", "twice", "aback")  # check the operand stack; "add" where it is an import
_DEEPEST = 80  # of calls that leave no trace: the operand stack is full by then
sys.setrecursionlimit(20_000)  # those that do leave one are followed as far as they go


class Finding(Exception):
    """The device did what it must not."""


class _Trap(Exception):
    pass


class _Raised(Exception):
    def __init__(self, interrupt: bool) -> None:
        self.interrupt = interrupt


@dataclass(eq=False)
class Memory:
    owner: Instance
    pages: int
    maximum: int = 3
    data: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.pages * PAGE


@dataclass(eq=False)
class Table:
    owner: Instance
    letter: str
    entries: list[Any]
    maximum: int


@dataclass(eq=False)
class Cell:
    owner: Instance
    letter: str
    value: Any
    mutable: bool = True


@dataclass(eq=False)
class Code:
    """A function where it is defined."""

    owner: Instance
    name: str


@dataclass(eq=False)
class Module:
    kind: str
    alive: bool = True
    instances: int = 0


@dataclass(eq=False)
class Env:
    instance: Instance
    alive: bool = True
    busy: int = 0


@dataclass(eq=False)
class Instance:
    """Attributes:
    exports: what each name is, where it is defined. providers: whom it imports from.
    """

    module: Module
    exports: dict[str, Any] = field(default_factory=dict)
    providers: set[Instance] = field(default_factory=set)
    alive: bool = True
    env: Env | None = None
    envs: list[Env] = field(default_factory=list)
    heap: bool = False

    @property
    def kind(self) -> str:
        return self.module.kind


@dataclass(eq=False)
class Handle:
    """What Python holds: thing is a Code, Memory, Table or Cell, through an instance. imported: a function that the
    instance only imports; env: what it is called on."""

    instance: Instance
    thing: Any
    env: Env | None = None
    imported: bool = False


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (value >> 31 << 32)


class Model:
    """One runtime after the other, and all handles."""

    def __init__(self) -> None:
        self.handles: dict[int, Any] = {}
        self.instances: list[Instance] = []
        self.canaries: set[int] = set()
        self.frames: list[Instance] = []
        self.programs: list[list[list[Operation]]] = []
        self.running = 0
        self.depth = 0
        self.seen: Counter[str] = Counter()
        self._trace: list[Any] = []
        self._at = 0

    def check(self, operation: Operation, trace: list[Any]) -> None:
        """Raises Finding where the trace of an operation is not what it must be."""
        self._trace, self._at = trace, 0
        self.do(operation)
        if self._at != len(trace):
            raise Finding(f"{trace[self._at]} after everything ended")

    def do(self, operation: Operation) -> None:
        """One operation, wherever."""
        self.seen[operation[0]] += 1
        getattr(self, "_" + operation[0])(*operation[1:])

    # --- the trace ---

    def peek(self) -> Any:
        return self._trace[self._at] if self._at < len(self._trace) else ("nothing",)

    def take(self) -> Any:
        found = self.peek()
        self._at += 1
        return found

    def outcome(self, name: str) -> tuple[str, Any]:
        """Kind and value of the operation that ends now."""
        entry = self.take()
        if entry[0] != name or len(entry) != 3:
            raise Finding(f"{entry} where {name} ends")
        return entry[1], entry[2]

    def wanted(self, name: str, *allowed: tuple[str, Any]) -> tuple[str, Any]:
        """One of these outcomes; a value of ... is any, for "error" any class of insitu's errors."""
        found = self.outcome(name)
        for kind, value in allowed:
            if found[0] == kind and (found[1] == value or (value is ... and (kind != "error" or found[1] in _ERRORS))):
                self.seen[f"{name}: {found[0]}"] += 1
                return found
        raise Finding(f"{name} gave {found}, must be {' or '.join(map(str, allowed))}")

    def refused(self, name: str) -> None:
        self.wanted(name, ("error", ...))

    def handle(self, number: int, name: str) -> Any:
        """What the handle is, None (and the outcome is taken) where there is none."""
        found = self.handles.get(number)
        if found is None:
            self.wanted(name, ("absent", None))
        return found

    def alive(self, number: int, name: str) -> Any:
        """The handle if what it stands for is alive; otherwise the operation must be refused."""
        found = self.handle(number, name)
        if found is None:
            return None
        instance = found if isinstance(found, Instance) else found.instance
        if instance.alive and not (isinstance(found, Env) and not found.alive):
            return found
        self.refused(name)
        return None

    # --- modules and instances ---

    def _load(self, number: int, kind: str) -> None:
        may = [("error", "LoadError")] if self.running or any(e.alive for i in self.instances for e in i.envs) else []
        if self.wanted("load", ("ok", None), *may)[0] == "ok":
            self.handles[number] = Module(kind)

    def _instantiate(
        self,
        number: int,
        module: int,
        stack: int | None,
        options: dict[str, Any],
        imports: dict[str, Any],
        program: list[list[Operation]],
    ) -> None:
        found = self.handle(module, "instantiate")
        if found is None:
            return
        given = self._imports(imports)
        if given is None:
            self.wanted("instantiate", ("absent", None))
            return
        if not found.alive or not self._linkable(found, given) or (stack is None and found.kind == "S"):
            self.refused("instantiate")
            return
        if self.peek()[:3] == ("instantiate", "error", "OutOfHeap"):
            self.seen["instantiate: OutOfHeap"] += 1
            self.take()
            return
        instance = self._make(found, given, options)
        if stack is not None:
            instance.env = Env(instance)
            instance.envs.append(instance.env)
        self.instances.append(instance)
        found.instances += 1
        if found.kind != "S" or self._start(instance, program):
            self.wanted("instantiate", ("ok", None))
            self.handles[number] = instance

    def _imports(self, imports: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
        """Handles by name; of an instance: all its exports as handles."""
        given: dict[str, dict[str, Any]] = {}
        for name, one in imports.items():
            if isinstance(one, dict):
                handles = {n: self.handles.get(h) for n, h in one.items()}
                if None in handles.values():
                    return None
                given[name] = handles
            else:
                instance = self.handles.get(one)
                if instance is None:
                    return None
                given[name] = {n: self._handle_of(instance, n) for n in instance.exports}
        return given

    def _handle_of(self, instance: Instance, name: str) -> Handle:
        thing = instance.exports[name]
        imported = isinstance(thing, Code) and thing.owner is not instance
        return Handle(instance, thing, instance.env, imported)

    def _linkable(self, module: Module, given: dict[str, dict[str, Any]]) -> bool:
        for name, export, kind in _NEEDS.get(module.kind, ()):
            handle = given.get(name, {}).get(export)
            if handle is None or not handle.instance.alive or not isinstance(handle.thing, kind):
                return False
            if kind is Table and len(handle.thing.entries) < _ENTRIES:
                return False
        return True

    def _make(self, module: Module, given: dict[str, dict[str, Any]], options: dict[str, Any]) -> Instance:
        made = Instance(module)
        own = {"get", "set", "back", "deep"}
        exports: dict[str, Any] = {}
        for name, export, _ in _NEEDS.get(module.kind, ()):
            handle = given[name][export]
            made.providers.add(handle.instance)
            exports[f"{name}.{export}"] = handle.thing
        if module.kind == "A":
            pages = options.get("initial_memory", 1) + (1 if options.get("heap_size") else 0)
            made.heap = bool(options.get("heap_size"))
            exports["m"] = Memory(made, pages, options.get("max_memory", 3))
            exports["t"], exports["x"] = Table(made, "p", [None] * 4, 12), Table(made, "x", [None] * 2, 6)
            exports["gp"], exports["gx"], exports["c"] = (
                Cell(made, "p", None),
                Cell(made, "x", None),
                Cell(made, "i", 9, False),
            )
            own |= {"other"}
        if module.kind == "B":
            for name in ("m", "t", "gi", "add"):
                exports[name] = exports[f"a.{name}"]
            exports["aback"] = exports["a.back"]
        if module.kind == "C":
            exports["t"] = Table(made, "p", [exports["b.add"], exports["b.twice"], None], 9)
            exports["gp"], exports["add"] = Cell(made, "p", exports["b.add"]), exports["b.add"]
        if module.kind == "S":
            exports["a.t"].entries[3] = Code(made, "add")
        own |= {"A": _IN_MEMORY | _IN_TABLE, "B": _IN_MEMORY | _IN_TABLE, "C": _IN_TABLE, "D": {"wide"}}.get(
            module.kind, set()
        )
        own |= {"add"} if module.kind in _ADDED else {"twice"}
        exports.setdefault("gi", Cell(made, "i", {"A": 5, "C": 6, "D": 7, "S": 8}.get(module.kind, 0)))
        for name in own:
            exports[name] = Code(made, name)
        if module.kind == "A":
            exports["t"].entries[1:3] = [exports["add"], exports["back"]]
        made.exports = exports
        return made

    def _start(self, instance: Instance, program: list[list[Operation]]) -> bool:
        """S's start function; whether there is an instance then. It ends the outcome where there is none."""
        assert instance.env
        self.programs.append(list(program))
        self.running += 1
        instance.env.busy += 1
        self.frames.append(instance)
        trap = ""
        try:
            if self.peek()[:3] == ("instantiate", "error", OVERFLOW):
                trap = OVERFLOW
            elif self._import(7) == 0:
                trap = "unreachable"
        except _Raised as error:
            self._ended(instance)
            self._given_up(instance)
            self.wanted("instantiate", ("python", "KeyboardInterrupt") if error.interrupt else ("raised", None))
            return False
        finally:
            self.frames.pop()
            self.running -= 1
            self.programs.pop()
            instance.env.busy -= 1
        if not trap:
            return True
        self.wanted("instantiate", ("error", trap))
        self._given_up(instance)
        return False

    def _given_up(self, instance: Instance) -> None:
        """What its start function has put into others' tables stays callable (standard, 4.5.4), so all of it stays."""
        if not any(entry.owner is instance for owner, entry in self._references() if owner is not instance):
            self._destroyed(instance)

    def _ended(self, instance: Instance) -> None:
        for env in instance.envs:
            env.busy = 0

    def _references(self) -> list[tuple[Instance, Code]]:
        """Functions that are kept, and by whom."""
        found = []
        for thing in self._places():
            values = thing.entries if isinstance(thing, Table) else [thing.value]
            found += [(thing.owner, value) for value in values if isinstance(value, Code)]
        return found

    def _places(self) -> list[Any]:
        """Tables and globals of those that are alive."""
        return [
            thing
            for instance in self.instances
            if instance.alive
            for thing in instance.exports.values()
            if isinstance(thing, (Table, Cell)) and thing.owner is instance
        ]

    def _destroyed(self, instance: Instance) -> None:
        instance.alive = False
        instance.module.instances -= 1
        for env in instance.envs:
            env.alive = False
        for thing in self._places():
            if isinstance(thing, Table):
                thing.entries = [None if isinstance(e, Code) and e.owner is instance else e for e in thing.entries]
            elif isinstance(thing.value, Code) and thing.value.owner is instance:
                thing.value = None

    def _deinstantiate(self, number: int) -> None:
        instance = self.handle(number, "deinstantiate")
        if instance is None:
            return
        if not instance.alive:
            self.wanted("deinstantiate", ("ok", None), ("error", ...))
            return
        used = any(instance in other.providers for other in self.instances if other.alive)
        if used or instance in self.frames or any(env.busy for env in instance.envs):
            self.refused("deinstantiate")
            return
        # while code runs the runtime need not know whose it is
        may = [("error", ...)] if self.running else []
        if self.wanted("deinstantiate", ("ok", None), *may)[0] == "ok":
            self._destroyed(instance)

    def _unload(self, number: int) -> None:
        module = self.handle(number, "unload")
        if module is None:
            return
        if not module.alive:
            self.wanted("unload", ("ok", None), ("error", ...))
        elif module.instances:
            self.refused("unload")
        else:
            may = [("error", ...)] if self.running else []
            if self.wanted("unload", ("ok", None), *may)[0] == "ok":
                module.alive = False

    def _destroy(self) -> None:
        self.canaries.clear()
        if self.running:
            self.refused("destroy")
            return
        self.wanted("destroy", ("ok", 0), ("ok", False))
        for instance in self.instances:
            if instance.alive:
                self._destroyed(instance)
        self.instances = []
        for handle in self.handles.values():
            if isinstance(handle, Module):
                handle.alive = False
        self.handles[0] = "runtime"

    def _old(self, what: str, number: Any) -> None:
        if self.handle(0, "old") is None:
            return
        if what == "destroy":
            self.wanted("old", ("ok", None), ("error", ...))
        else:
            self.refused("old")

    def _second(self) -> None:
        self.refused("second")

    def _snapshot(self) -> None:
        self.wanted("snapshot", ("ok", True))

    # --- handles ---

    def _lookup(self, number: int, instance: int, name: str) -> None:
        self._looked_up("lookup", number, instance, name, ("ok", "none"))

    def _attribute(self, number: int, instance: int, name: str) -> None:
        self._looked_up("attribute", number, instance, name, ("python", "AttributeError"))

    def _looked_up(self, operation: str, number: int, instance: int, name: str, missing: tuple[str, Any]) -> None:
        found = self.handle(instance, operation)
        if found is None:
            return
        if name not in found.exports or "." in name:
            self.wanted(operation, missing, *([] if found.alive else [("error", ...)]))
        elif found.alive:
            self.wanted(operation, ("ok", None))
            self.handles[number] = self._handle_of(found, name)
        elif self.wanted(operation, ("ok", None), ("error", ...))[0] == "ok":
            self.handles[number] = self._handle_of(found, name)

    def _own_env(self, number: int, instance: int) -> None:
        found = self.handle(instance, "own_env")
        if found is None:
            return
        if found.alive and found.env is not None and found.env.alive:
            self.wanted("own_env", ("ok", None))
            self.handles[number] = found.env
        else:
            self.wanted("own_env", ("ok", "none"), *([] if found.alive else [("error", ...)]))

    def _env(self, number: int, instance: int, stack: int) -> None:
        found = self.alive(instance, "env")
        if found is None:
            return
        if self.wanted("env", ("ok", None), ("error", "OutOfHeap"))[0] == "ok":
            self.handles[number] = Env(found)
            found.envs.append(self.handles[number])

    def _used(self, number: int) -> None:
        if self.alive(number, "used"):
            self.wanted("used", ("ok", True))

    def _destroy_env(self, number: int) -> None:
        env = self.handle(number, "destroy_env")
        if env is None:
            return
        if not env.alive:
            self.wanted("destroy_env", ("ok", None), ("error", ...))
        elif env.busy:
            self.refused("destroy_env")
        else:
            self.wanted("destroy_env", ("ok", None))
            env.alive = False
            env.instance.envs.remove(env)

    def _memory(self, instance: int, number: int) -> None:
        found = self.handle(instance, "memory")
        if found is None:
            return
        has = found.kind in "AB"
        allowed = [("ok", None)] if has else [("ok", "none")]
        if not found.alive:
            allowed += [("error", ...), ("ok", "none")]
        if self.wanted("memory", *allowed) == ("ok", None):
            thing = found.exports["m" if found.kind == "A" else "a.m"]
            self.handles[number] = Handle(found, thing)

    def _ask(self, number: int, what: str) -> None:
        found = self.handle(number, "ask")
        if found is None:
            return
        memory = found.exports.get("m")
        if not found.alive:
            nothing = {"memory_size": 0, "address": False, "valid": False, "aux": 0}
            self.wanted("ask", ("error", ...), *([("ok", nothing[what])] if what in nothing else []))
        elif what == "memory_size":
            self.wanted("ask", ("ok", memory.size if memory else 0))
        elif what in ("address", "valid"):
            self.wanted("ask", ("ok", bool(memory and memory.pages)))
        elif what == "aux":
            self.wanted("ask", ("ok", 0))
        elif found.heap:
            self.wanted("ask", ("ok", True), ("ok", False))
        else:
            self.refused("ask")

    # --- memories ---

    def _size(self, number: int) -> None:
        if handle := self.alive(number, "size"):
            self.wanted("size", ("ok", handle.thing.size))

    def _pages(self, number: int) -> None:
        if handle := self.alive(number, "pages"):
            self.wanted("pages", ("ok", handle.thing.pages))

    def _grow(self, number: int, pages: int) -> None:
        known = self.handles.get(number)
        if known is not None and not known.instance.alive and pages < 0:
            self.wanted("grow", ("error", ...), ("python", "ValueError"))  # wrong twice
            return
        handle = self.alive(number, "grow")
        if handle is None:
            return
        memory = handle.thing
        if pages < 0 or memory.pages + pages > memory.maximum:
            self.wanted("grow", ("error", ...), ("python", "ValueError"), ("python", "OverflowError"))
        elif pages == 0:
            self.wanted("grow", ("ok", memory.pages))
        elif self.wanted("grow", ("ok", memory.pages), ("error", "OutOfHeap"))[0] == "ok":
            memory.pages += pages

    def _read(self, number: int, at: int, length: int) -> None:
        handle = self.alive(number, "read")
        if handle is None:
            return
        if at < 0 or length < 0 or at + length > handle.thing.size:
            self.wanted("read", ("python", "IndexError"))
        else:
            data = handle.thing.data
            self.wanted("read", ("ok", bytes(data.get(i, 0) for i in range(at, at + length))))

    def _byte(self, number: int, at: int) -> None:
        handle = self.alive(number, "byte")
        if handle is None:
            return
        inside = 0 <= at < handle.thing.size
        self.wanted("byte", ("ok", handle.thing.data.get(at, 0)) if inside else ("python", "IndexError"))

    def _write(self, number: int, at: int, data: bytes) -> None:
        handle = self.alive(number, "write")
        if handle is None:
            return
        if at < 0 or at + len(data) > handle.thing.size:
            self.wanted("write", ("python", "IndexError"))
        else:
            self.wanted("write", ("ok", None))
            handle.thing.data.update({at + i: byte for i, byte in enumerate(data)})

    # --- tables and globals ---

    @staticmethod
    def shown(value: Any) -> Any:
        return "function" if isinstance(value, Code) else value

    def _length(self, number: int) -> None:
        if handle := self.alive(number, "length"):
            self.wanted("length", ("ok", len(handle.thing.entries)))

    def _inside(self, name: str, handle: Handle, at: int) -> bool:
        if 0 <= at < len(handle.thing.entries):
            return True
        self.wanted(name, ("python", "IndexError"))
        return False

    def _entry(self, number: int, at: int) -> None:
        handle = self.alive(number, "entry")
        if handle is not None and self._inside("entry", handle, at):
            self.wanted("entry", ("ok", self.shown(handle.thing.entries[at])))

    def _take(self, number: int, table: int, at: int) -> None:
        handle = self.alive(table, "take")
        if handle is None or not self._inside("take", handle, at):
            return
        value = handle.thing.entries[at]
        self.wanted("take", ("ok", self.shown(value)))
        if isinstance(value, Code):
            self.handles[number] = Handle(value.owner, value, value.owner.env)

    def _source(self, name: str, letter: str, source: Any, refusable: bool = True) -> tuple[bool, Any]:
        """Whether the value can be given, and it; otherwise the outcome is taken."""
        if source is None:
            return True, None
        kind, number = source
        if kind == "x":
            if letter == "x":
                return True, f"extern {number}"
            self.wanted(name, ("python", "TypeError"))
            return False, None
        handle = self.handles.get(number)
        if handle is None:
            self.wanted(name, ("absent", None))
            return False, None
        if letter != "p" or not isinstance(handle.thing, Code) or not handle.instance.alive:
            self.wanted(name, ("error", ...), ("python", "TypeError"))
            return False, None
        return True, handle.thing

    def _set_entry(self, table: int, at: int, source: Any) -> None:
        if source is not None and source[0] == "f" and table in self.handles and source[1] not in self.handles:
            self.wanted("set_entry", ("absent", None))
            return
        handle = self.alive(table, "set_entry")
        if handle is None or not self._inside("set_entry", handle, at):
            return
        given, value = self._source("set_entry", handle.thing.letter, source)
        if given:
            self.wanted("set_entry", ("ok", None))
            handle.thing.entries[at] = value

    def _grow_table(self, number: int, count: int, source: Any) -> None:
        if source is not None and source[0] == "f" and number in self.handles and source[1] not in self.handles:
            self.wanted("grow_table", ("absent", None))
            return
        known = self.handles.get(number)
        if known is not None and not known.instance.alive and count < 0:
            self.wanted("grow_table", ("error", ...), ("python", "ValueError"))  # wrong twice
            return
        handle = self.alive(number, "grow_table")
        if handle is None:
            return
        table = handle.thing
        if count < 0 or len(table.entries) + count > table.maximum:
            self.wanted(
                "grow_table", ("error", ...), *[("python", e) for e in ("ValueError", "OverflowError", "TypeError")]
            )
            return
        given, value = self._source("grow_table", table.letter, source)
        if given and self.wanted("grow_table", ("ok", len(table.entries)), ("error", "OutOfHeap"))[0] == "ok":
            table.entries += [value] * count

    def _value(self, number: int) -> None:
        if handle := self.alive(number, "value"):
            self.wanted("value", ("ok", self.shown(handle.thing.value)))

    def _set_value(self, number: int, source: Any) -> None:
        if isinstance(source, tuple) and source[0] == "f" and number in self.handles and source[1] not in self.handles:
            self.wanted("set_value", ("absent", None))
            return
        known = self.handles.get(number)
        if known is not None and not known.instance.alive and not known.thing.mutable:
            self.wanted("set_value", ("error", ...), ("python", "TypeError"))  # wrong twice
            return
        handle = self.alive(number, "set_value")
        if handle is None:
            return
        cell = handle.thing
        if not cell.mutable or isinstance(source, int) != (cell.letter == "i"):
            self.wanted("set_value", ("python", "TypeError"))
            return
        given, value = (True, _signed(source)) if cell.letter == "i" else self._source("set_value", cell.letter, source)
        if given:
            self.wanted("set_value", ("ok", None))
            cell.value = value

    # --- calls ---

    def _call(self, function: int, argument: int, program: list[list[Operation]]) -> None:
        handle = self.alive(function, "call")
        if handle is None:
            return
        if handle.env is None or not handle.env.alive:
            self.refused("call")
        else:
            self._run("call", handle.env, handle, argument, program)

    def _call_on(self, env: int, function: Any, argument: int, program: list[list[Operation]]) -> None:
        found = self.handle(env, "call_on")
        if found is None:
            return
        if not isinstance(function, str) and self.handles.get(function) is None:
            self.wanted("call_on", ("absent", None))
            return
        if not found.alive or not found.instance.alive:
            self.refused("call_on")
            return
        if isinstance(function, str):
            thing = found.instance.exports.get(function)
            handle = (
                self._handle_of(found.instance, function) if isinstance(thing, Code) and "." not in function else None
            )
        else:
            handle = self.handles[function]
        if handle is None or handle.instance is not found.instance:
            self.refused("call_on")
            return
        self._run("call_on", found, handle, argument, program)

    def _run(self, name: str, env: Env, handle: Handle, argument: int, program: list[list[Operation]]) -> None:
        code = handle.thing
        # inside of an import nothing starts below the operand stack's limit, leaves included
        calling = code.name in _CALLING or handle.imported or env.busy
        if calling and self.peek()[:3] == (name, "error", OVERFLOW):
            self.seen["operand stack overflow"] += 1
            self.take()
            return
        self.programs.append(list(program))
        self.running += 1
        env.busy += 1
        frames = len(self.frames)
        if handle.imported:
            self.frames.append(handle.instance)
        wanted: tuple[str, Any]
        try:
            wanted = "ok", self._execute(code, argument)
        except _Trap as trap:
            wanted = "error", str(trap)
        except _Raised as error:
            wanted = ("python", "KeyboardInterrupt") if error.interrupt else ("raised", None)
        finally:
            del self.frames[frames:]
            env.busy -= 1
            self.running -= 1
            self.programs.pop()
        self.wanted(name, wanted)

    def _execute(self, code: Code, argument: int) -> Any:
        self.frames.append(code.owner)
        self.depth += 1
        try:
            if self.depth > _DEEPEST and self.peek()[0] != "back":
                raise _Trap(OVERFLOW)
            return getattr(self, "_in_" + code.name)(code.owner, argument)
        finally:
            self.depth -= 1
            self.frames.pop()

    def _import(self, n: int) -> int:
        entry = self.take()
        if entry != ("back", _signed(n)):
            raise Finding(f"{entry} where the import is called with {n}")
        self.seen["calls of an import"] += 1
        result = n + 100
        program = self.programs[-1]
        for operation in program.pop(0) if program else []:
            if operation[0] == "raise":
                raise _Raised(operation[1])
            if operation[0] == "return":
                result = operation[1]
            else:
                self.do(operation)
        return result

    def _in_add(self, instance: Instance, n: int) -> int:
        return _signed(n + _ADDED[instance.kind])

    def _in_twice(self, instance: Instance, n: int) -> int:
        name = "a.add" if instance.kind == "B" else "b.twice"
        return _signed(self._execute(instance.exports[name], n) + (20 if instance.kind == "B" else 30))

    def _in_get(self, instance: Instance, n: int) -> Any:
        return self._of(instance, "gi").value

    def _in_set(self, instance: Instance, n: int) -> int:
        self._of(instance, "gi").value = _signed(n)
        return 0

    def _in_other(self, instance: Instance, n: int) -> None:
        return None

    @staticmethod
    def _of(instance: Instance, name: str) -> Any:
        """The instance's own, or what it imports."""
        found = instance.exports.get(name)
        return found if found is not None else instance.exports[f"a.{name}"]

    def _byte_at(self, instance: Instance, n: int, offset: int) -> tuple[Memory, int]:
        memory: Memory = self._of(instance, "m")
        at = (n & 0xFFFFFFFF) + offset
        if at >= memory.size:
            raise _Trap("out of bounds memory access")
        return memory, at

    def _in_peek(self, instance: Instance, n: int) -> int:
        memory, at = self._byte_at(instance, n, 0)
        return memory.data.get(at, 0)

    def _in_last(self, instance: Instance, n: int) -> int:
        memory, at = self._byte_at(instance, n, 65535)
        return memory.data.get(at, 0)

    def _in_poke(self, instance: Instance, n: int) -> int:
        memory, at = self._byte_at(instance, n, 0)
        memory.data[at] = 77
        return 0

    def _grown(self, have: int, n: int, maximum: int) -> bool:
        """Whether growing by n worked: it may, where the limit allows it."""
        if have + (n & 0xFFFFFFFF) > maximum:
            return False
        entry = self.peek()
        if n and entry[1:] == ("ok", -1):
            self.seen["no room to grow"] += 1
            return False
        return True

    def _in_grow(self, instance: Instance, n: int) -> int:
        memory: Memory = self._of(instance, "m")
        if not self._grown(memory.pages, n, memory.maximum):
            return -1
        memory.pages += n
        return memory.pages - n

    def _in_tgrow(self, instance: Instance, n: int) -> int:
        table: Table = self._of(instance, "t")
        if not self._grown(len(table.entries), n, table.maximum):
            return -1
        table.entries += [None] * n
        return len(table.entries) - n

    def _entry_at(self, instance: Instance, n: int, trap: str) -> Any:
        table: Table = self._of(instance, "t")
        if not 0 <= n < len(table.entries):
            raise _Trap(trap)
        return table.entries[n]

    def _in_callt(self, instance: Instance, n: int) -> Any:
        found = self._entry_at(instance, n, "undefined element")
        if found is None:
            raise _Trap("uninitialized element")
        if found.name == "other":
            raise _Trap("indirect call type mismatch")
        return self._execute(found, n)

    def _in_backt(self, instance: Instance, n: int) -> Any:
        self._import(n)
        found = self._entry_at(instance, 1, "undefined element")
        if found is None:
            raise _Trap("uninitialized element")
        if found.name == "other":
            raise _Trap("indirect call type mismatch")
        if found.name in _CALLING and self.peek()[1:] == ("error", OVERFLOW):
            raise _Trap(OVERFLOW)
        return self._execute(found, n)

    def _in_move(self, instance: Instance, n: int) -> int:
        self._of(instance, "t").entries[0] = self._entry_at(instance, n, "out of bounds table access")
        return 0

    def _in_keep(self, instance: Instance, n: int) -> int:
        self._of(instance, "gp").value = self._entry_at(instance, n, "out of bounds table access")
        return 0

    def _in_put(self, instance: Instance, n: int) -> int:
        self._entry_at(instance, n, "out of bounds table access")
        self._of(instance, "t").entries[n] = self._of(instance, "gp").value
        return 0

    def _in_back(self, instance: Instance, n: int) -> int:
        return _signed(self._import(n) + 1)

    def _in_deep(self, instance: Instance, n: int) -> int:
        value = self._import(1) & 0xFFFFFFFF
        for _ in range(n):
            value = (value << 1 | value >> 31) & 0xFFFFFFFF
        return _signed(value)

    def _in_wide(self, instance: Instance, n: int) -> int:
        values = [0] + [(n + i) & 0xFFFFFFFF for i in range(1, COUNT + 1)]
        for _ in range(3):
            for i in range(1, COUNT + 1):
                values[i] = (values[i] * (2 * i + 1) + values[i % COUNT + 1]) & 0xFFFFFFFFFFFFFFFF
        total = 0
        for value in values[1:]:
            total ^= value & 0xFFFFFFFF
        return total & 1

    # --- the host's own blocks ---

    def _canary(self, number: int, size: int) -> None:
        if self.wanted("canary", ("ok", None), ("ok", "none")) == ("ok", None):
            self.canaries.add(number)

    def _free_canary(self, number: int) -> None:
        if number in self.canaries:
            self.wanted("free_canary", ("ok", None))
            self.canaries.discard(number)
        else:
            self.wanted("free_canary", ("absent", None))


_ENTRIES = 4  # that an imported table must have
# What a module imports, and from which name it is given.
_NEEDS: dict[str, list[tuple[str, str, type]]] = {
    "B": [
        ("a", "add", Code),
        ("a", "back", Code),
        ("a", "m", Memory),
        ("a", "t", Table),
        ("a", "gi", Cell),
        ("a", "gp", Cell),
        ("a", "gx", Cell),
    ],
    "C": [("b", "add", Code), ("b", "twice", Code)],
    "S": [("a", "t", Table)],
}
_IN_MEMORY = {"peek", "last", "poke", "grow"}
_IN_TABLE = {"callt", "backt", "move", "keep", "put", "tgrow"}
