"""Operations for a seed, chosen by what the model says is alive, dead or running; often what must be refused."""

from __future__ import annotations

import random
from typing import Any

from tests.state.model import (
    _CALLING,
    _NEEDS,
    Cell,
    Code,
    Env,
    Handle,
    Instance,
    Memory,
    Model,
    Module,
    Operation,
    Table,
)

_KINDS = ("A", "A", "A", "B", "B", "C", "D", "S")
_LARGEST = 5  # instances that are alive
NESTED = 2  # operations inside imports inside operations
_FUNCTIONS = (
    "get", "set", "peek", "last", "poke", "grow", "callt", "backt", "move", "keep", "put", "tgrow", "back", "deep",
    "add", "twice", "aback", "wide", "other",
)  # fmt: skip


class Generator:
    """Gives one operation after the other, for the model as it is then."""

    def __init__(self, seed: int, nested: int = NESTED, buffer: bool = False) -> None:
        """nested: how deep operations inside imports go; buffer: the heap is one that no second runtime may have."""
        self.chance = random.Random(f"state {seed}")
        self.nested = nested
        self.number = 0
        self.buffer = buffer
        self.plan: list[Operation] = []  # the rest of a scenario

    def new(self) -> int:
        """A handle that there is not yet."""
        self.number += 1
        return self.number

    def operation(self, model: Model, depth: int = 0) -> Operation:
        """One that the model can follow."""
        chance = self.chance
        if depth == 0 and not self.plan and chance.random() < 0.02:
            self.plan = chance.choice((self._given_on, self._larger_frame))()
        if depth == 0 and self.plan:
            return self.plan.pop(0)
        alive = [i for i in model.instances if i.alive]
        if not any(isinstance(h, Module) and h.alive for h in model.handles.values()) or chance.random() < 0.03:
            return ("load", self.new(), chance.choice("ABCDS"))
        if len(alive) < 2 or (len(alive) < _LARGEST and chance.random() < 0.1):
            return self._instantiate(model, depth)
        makers = (
            [self._call] * 10 + [self._look] * 5 + [self._on_memory] * 3 + [self._on_table] * 4 + [self._on_cell] * 3
        )
        makers += [self._env] * 3 + [self._end] * 2 + [self._block] * 2 + [self._other]
        for _ in range(20):
            found = chance.choice(makers)(model, depth)
            if found is not None:
                return found
        return ("canary", self.new(), 16)

    def _pick(self, model: Model, kind: type | tuple[type, ...], dead: float = 0.25) -> int | None:
        """A handle of that kind: of what is dead now and then."""
        found: dict[bool, list[int]] = {True: [], False: []}
        for number, handle in model.handles.items():
            thing = handle.thing if isinstance(handle, Handle) else handle
            if isinstance(thing, kind):
                found[_alive(handle)].append(number)
        wanted = self.chance.random() >= dead
        choice = found[wanted] or found[not wanted]
        return self.chance.choice(choice) if choice else None

    # --- making ---

    def _instantiate(self, model: Model, depth: int) -> Operation:
        chance = self.chance
        loaded = {
            kind: [n for n, h in model.handles.items() if isinstance(h, Module) and h.alive and h.kind == kind]
            for kind in "ABCDS"
        }
        return self._instance_of(chance.choice(_KINDS), loaded, model, depth)

    def _instance_of(self, kind: str, loaded: dict[str, list[int]], model: Model, depth: int) -> Operation:
        """One of that kind, or first what it needs."""
        chance = self.chance
        if not loaded[kind]:
            return ("load", self.new(), kind)
        module = chance.choice(loaded[kind])
        if chance.random() < 0.03:
            module = self._pick(model, Module, 0.5) or module
        imports = {}
        for name in {name for name, _, _ in _NEEDS.get(kind, ())}:
            given = self._given(model, kind, name)
            if given is None:
                return self._instance_of(name.upper(), loaded, model, depth)
            imports[name] = given
        options: dict[str, Any] = {}
        if model.handles[module].kind == "A" and chance.random() < 0.2:
            options = chance.choice(({"initial_memory": 2}, {"max_memory": 2}, {"heap_size": 1000}))
        stack = chance.choice((None, 0, 8, 100, 400, 1000, 2000, 2000, 4000, 4000))
        program = [self._program(model, depth)] if kind == "S" else []
        return ("instantiate", self.new(), module, stack, options, imports, program)

    def _given(self, model: Model, kind: str, name: str) -> Any:
        """An instance that has all, or all one by one; sometimes of one that is dead."""
        chance = self.chance
        wanted = [export for n, export, _ in _NEEDS[kind] if n == name]
        able = {
            number: h
            for number, h in model.handles.items()
            if isinstance(h, Instance) and all(e in h.exports for e in wanted)
        }
        alive = [n for n, h in able.items() if h.alive]
        dead = [n for n, h in able.items() if not h.alive]
        if dead and chance.random() < 0.1:
            return chance.choice(dead)
        if not alive:
            return None
        number = chance.choice(alive)
        if chance.random() < 0.3:
            one: dict[str, int] = {}
            for export in wanted:
                kept = [
                    n for n, h in model.handles.items()
                    if isinstance(h, Handle) and h.thing is able[number].exports[export]
                ]  # fmt: skip
                if not kept:
                    return number
                one[export] = chance.choice(kept)
            return one
        return number

    def _program(self, model: Model, depth: int) -> list[Operation]:
        """What an import does."""
        chance = self.chance
        if depth >= self.nested:
            return []
        found = [self.operation(model, depth + 1) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        if chance.random() < 0.2:
            found.append(("raise", chance.random() < 0.3))
        elif chance.random() < 0.2:
            found.append(("return", chance.choice((0, 1, -1, 3))))
        return found

    # --- what chance alone hardly ever does in that order ---

    def _made(self, kind: str, stack: int | None, imports: dict[str, int], plan: list[Operation]) -> int:
        """The handle of an instance, whose making is put into the plan."""
        module, instance = self.new(), self.new()
        plan += [("load", module, kind), ("instantiate", instance, module, stack, {}, imports, [])]
        return instance

    def _found(self, instance: int, name: str, plan: list[Operation]) -> int:
        number = self.new()
        plan.append(("lookup", number, instance, name))
        return number

    def _given_on(self) -> list[Operation]:
        """A function that an instance only gives on is in a third one's table; its owner's end while it runs."""
        chance, plan = self.chance, []
        owner = self._made("A", chance.choice((None, 1000)), {}, plan)
        between = self._made("B", chance.choice((None, 1000)), {"a": owner}, plan)
        other = self._made("A", 3000, {}, plan)
        table, caller = self._found(other, "t", plan), self._found(other, "callt", plan)
        function = self._found(*chance.choice(((between, "aback"), (owner, "back"))), plan)
        plan.append(("set_entry", table, 0, ("f", function)))
        if chance.random() < 0.8:
            plan.append(("deinstantiate", between))
        ends: list[Operation] = [
            ("deinstantiate", owner),
            ("deinstantiate", other),
            ("destroy",),
            ("set_entry", table, 0, None),
        ]
        plan.append(("call", caller, 0, [chance.sample(ends, chance.choice((1, 2, 4)))]))
        return plan

    def _larger_frame(self) -> list[Operation]:
        """A leaf with a larger frame than its caller's module has comes in while that runs, at the stack's end."""
        chance, plan = self.chance, []
        owner = self._made("A", None, {}, plan)
        env = self.new()
        table = self._found(owner, "t", plan)
        plan.append(("env", env, owner, chance.choice((0, 8, 16, 24, 40, 64))))
        plan.append(("canary", self.new(), 16))
        plan.append(("call_on", env, "backt", 3, [self._wide(table)]))
        return plan

    # --- using ---

    def _look(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        instance = self._pick(model, Instance, 0.15)
        if instance is None:
            return None
        names = [n for n in model.handles[instance].exports if "." not in n] + ["nothing"]
        name = chance.choice(names)
        if chance.random() < 0.6:  # what more can be done with
            name = chance.choice([n for n in names if n in (*_CALLING, "m", "t", "x", "gi", "gp", "gx", "c")] or names)
        roll = chance.random()
        if roll < 0.6:
            return ("lookup", self.new(), instance, name)
        if roll < 0.75:
            return ("attribute", self.new(), instance, name)
        if roll < 0.85:
            return ("memory", instance, self.new())
        return ("ask", instance, chance.choice(("memory_size", "address", "valid", "aux", "malloc")))

    def _argument(self, model: Model, thing: Code) -> int:
        chance, code = self.chance, thing.name
        table = thing.owner.exports.get("t") or thing.owner.exports.get("a.t")
        if code == "callt" and isinstance(table, Table) and chance.random() < 0.6:
            calling = [i for i, e in enumerate(table.entries) if isinstance(e, Code) and e.name in _CALLING]
            if calling:
                return chance.choice(calling)
        if code == "deep":
            return chance.choice((0, 1, 2, 5, 10, 20, 40, 60))
        if code in ("grow", "tgrow"):
            return chance.choice((0, 1, 1, 2, 9, -1, 0x7FFFFFFF))
        if code in ("peek", "poke"):
            return chance.choice((0, 65535, 65536, 131071, 131072, -1))
        return chance.choice((0, 1, 2, 3, 4, 5, 11, 12, -1))

    def _call(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        if chance.random() < 0.35:
            return self._call_on(model, depth)
        function = self._pick(model, Code, 0.15)
        if function is None:
            return None
        handle = model.handles[function]
        if chance.random() < 0.7 and handle.thing.name not in _CALLING:
            return None
        argument = self._argument(model, handle.thing)
        return ("call", function, argument, self._programs(model, depth, handle.thing, argument))

    def _call_on(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        env = self._pick(model, Env, 0.2)
        if env is None:
            return None
        exports = model.handles[env].instance.exports
        names = _CALLING if chance.random() < 0.6 else _FUNCTIONS
        function: Any = chance.choice([n for n in names if n in exports] or ["get"])
        thing = exports[function]
        if chance.random() < 0.3:
            function = self._pick(model, Code, 0.2)
            if function is None:
                return None
            thing = model.handles[function].thing
        argument = self._argument(model, thing)
        return ("call_on", env, function, argument, self._programs(model, depth, thing, argument))

    def _programs(self, model: Model, depth: int, code: Code, argument: int) -> list[list[Operation]]:
        """What the import does each time: often to those whose code is running then."""
        chance = self.chance
        programs = [self._program(model, depth) for _ in range(chance.choice((1, 1, 2)))]
        if depth >= self.nested:
            return programs
        table = code.owner.exports.get("t") or code.owner.exports.get("a.t")
        running = [code.owner]
        if isinstance(table, Table):
            running += [e.owner for e in table.entries if isinstance(e, Code) and e.name in _CALLING]
        numbers = [n for n, h in model.handles.items() if isinstance(h, Instance) and h in running]
        if numbers and chance.random() < 0.4:
            programs[0].insert(0, ("deinstantiate", chance.choice(numbers)))
        tables = [n for n, h in model.handles.items() if isinstance(h, Handle) and h.thing is table]
        if code.name == "backt" and tables and chance.random() < 0.4:
            programs[0][:0] = self._wide(chance.choice(tables))
        return programs

    def _wide(self, table: int) -> list[Operation]:
        """A module with a larger frame than those that are running, and its function where it is called next."""
        module, instance, function = self.new(), self.new(), self.new()
        return [
            ("load", module, "D"),
            ("instantiate", instance, module, None, {}, {}, []),
            ("lookup", function, instance, "wide"),
            ("set_entry", table, 1, ("f", function)),
        ]

    def _env(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        roll = chance.random()
        if roll < 0.4:
            instance = self._pick(model, Instance, 0.1)
            envs = sum(e.alive for i in model.instances for e in i.envs)
            if instance is None or envs > 8:
                return None
            return ("env", self.new(), instance, chance.choice((0, 8, 40, 200, 1000, 3000)))
        if roll < 0.6:
            instance = self._pick(model, Instance, 0.1)
            return None if instance is None else ("own_env", self.new(), instance)
        env = self._pick(model, Env, 0.25)
        if env is None:
            return None
        return ("used", env) if chance.random() < 0.4 else ("destroy_env", env)

    def _on_memory(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        memory = self._pick(model, Memory)
        if memory is None:
            return None
        size = model.handles[memory].thing.size
        at = chance.choice((0, size - 4, size - 1, size, -1))
        return chance.choice(
            (
                ("size", memory),
                ("pages", memory),
                ("grow", memory, chance.choice((0, 1, 1, 2, 3, -1, -2, 40000, 65536))),
                ("read", memory, at, chance.choice((0, 1, 4, 8))),
                ("byte", memory, at),
                ("write", memory, at, bytes([chance.randrange(256)] * chance.choice((1, 4)))),
            )
        )

    def _source(self, model: Model, letter: str) -> Any:
        if self.chance.random() < 0.2:
            return None
        if letter == "x" or self.chance.random() < 0.03:
            return ("x", self.chance.randrange(30)) if letter == "x" else None
        for _ in range(4):
            function = self._pick(model, Code, 0.2)
            if function is None or model.handles[function].thing.name in _CALLING:
                break
        return None if function is None else ("f", function)

    def _on_table(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        number = self._pick(model, Table)
        if number is None:
            return None
        table = model.handles[number].thing
        length = len(table.entries)
        at = chance.choice((0, 1, length - 1, chance.randrange(max(length, 1)), length, -1))
        roll = chance.randrange(8)
        if roll == 0:
            return ("length", number)
        if roll < 3:
            return ("entry", number, at) if table.letter == "x" else ("take", self.new(), number, at)
        if roll < 6:
            return ("set_entry", number, at, self._source(model, table.letter))
        return ("grow_table", number, chance.choice((0, 1, 1, 2, 20, -1, -3)), self._source(model, table.letter))

    def _on_cell(self, model: Model, depth: int) -> Operation | None:
        number = self._pick(model, Cell)
        if number is None:
            return None
        letter = model.handles[number].thing.letter
        if self.chance.random() < 0.4:
            return ("value", number)
        if letter == "i":
            return ("set_value", number, self.chance.randrange(-5, 100))
        return ("set_value", number, self._source(model, letter))

    # --- ending ---

    def _end(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        roll = chance.random()
        if roll < 0.7:
            instance = self._pick(model, Instance, 0.1)
            return None if instance is None else ("deinstantiate", instance)
        if roll < 0.85:
            module = self._pick(model, Module, 0.1)
            return None if module is None else ("unload", module)
        if depth or chance.random() < 0.2:
            return ("destroy",)
        return None

    def _block(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        if model.canaries and chance.random() < 0.4:
            return ("free_canary", chance.choice(sorted(model.canaries)))
        return ("canary", self.new(), chance.choice((8, 16, 24, 40, 100, 400)))

    def _other(self, model: Model, depth: int) -> Operation | None:
        chance = self.chance
        if 0 in model.handles and chance.random() < 0.5:
            return ("old", chance.choice(("load", "malloc", "info", "destroy")), "A")
        if self.buffer and chance.random() < 0.2:
            return ("second",)
        return ("snapshot",)


def _alive(handle: Any) -> bool:
    if isinstance(handle, Module):
        return handle.alive
    if isinstance(handle, Instance):
        return handle.alive
    if isinstance(handle, Env):
        return handle.alive and handle.instance.alive
    return bool(handle.instance.alive)
