"""A system for a seed: how modules share, what host functions do, which steps a script has."""

from __future__ import annotations

import random
import tempfile
from typing import Any

from insitu.wasm.decode import decode

from tests.fuzz.generate import smith
from tests.fuzz.systems.bodies import FLOATS, INTERESTING, Bodies, Scope
from tests.fuzz.systems.plan import (
    PAGE,
    WAT,
    Function,
    Import,
    Memory,
    Module,
    Signature,
    Step,
    System,
    Table,
    Thing,
    Variable,
)

_TYPES = [
    Signature(*t)
    for t in (
        ("i", "i"),
        ("", ""),
        ("", "i"),
        ("i", ""),
        ("ii", "i"),
        ("iI", "I"),
        ("p", "p"),
        ("xi", "x"),
        ("I", "iI"),
        ("px", "xp"),
        ("iiiii", "i"),
        ("fF", "F"),
        ("F", "f"),
    )
]
_HOST_TYPES = [t for t in _TYPES if "f" not in t.params + t.results and "F" not in t.params + t.results]
_PLAIN = _TYPES[0]
_DEEP = "deep"
_SMITH = {"max-instructions": "60", "max-tables": "4", "allow-start-export": "true"}


class Exported:
    """What earlier modules offer: (module, export) to what it is and where it is defined."""

    def __init__(self) -> None:
        self.things: list[tuple[int, str, Thing, tuple[int, str]]] = []

    def of(self, kind: type) -> list[tuple[int, str, Any, tuple[int, str]]]:
        return [t for t in self.things if isinstance(t[2], kind)]


class Generator:
    """One system."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"system {seed}")
        chance = self.chance
        self.types = [_PLAIN, *chance.sample(_TYPES[1:], 4)]
        self.exported = Exported()
        self.host_types = [_PLAIN] + [
            chance.choice([_PLAIN, *(t for t in self.types if t in _HOST_TYPES)])
            for _ in range(chance.choice((1, 2, 3)))
        ]
        self.constants = self._constants()
        self.pages = 4  # that all memories together may grow to
        self.names: dict[tuple[int, str], str] = {}
        self.modules: list[Module] = []
        self.scopes: list[Scope] = []

    def system(self) -> System:
        chance = self.chance
        for number in range(chance.choice((2, 2, 2, 3, 3, 4))):
            self.modules.append(self._module(number))
        self.own = len(self.modules)
        if chance.random() < 0.25:
            self._smith()
        hosts = [self._host(i, kind) for i, kind in enumerate(self.host_types)]
        return System(self.modules, hosts, self.constants, self.names, self._steps())

    def _constants(self) -> list[Any]:
        chance = self.chance
        sources = {
            "i": ("c", chance.choice((0, 1, 2, 5))),
            "I": ("c", chance.choice(INTERESTING)),
            "p": ("n",),
            "x": chance.choice((("n",), ("x", 9))),
        }
        return [(f"c_{letter}", letter, sources[letter]) for letter in chance.sample("iIpx", chance.choice((0, 1, 2)))]

    # --- modules ---

    def _module(self, number: int) -> Module:
        module, scope = Module(number), Scope(types=self.types)
        self.scopes.append(scope)
        self._import(module, scope)
        self._own(module, scope)
        self._functions(module, scope)
        return module

    def _import(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        for i, kind in enumerate(self.host_types):
            if chance.random() < 0.7 or i == 0:
                self._add(module, scope, "host", f"h{i}", kind, (-1, f"h{i}"))
        for name, letter, _ in self.constants:
            if chance.random() < 0.5:
                self._add(module, scope, "host", name, Variable(letter, False), (-1, name))
        for kind, most in ((Signature, 4), (Table, 2), (Variable, 3)):
            offered = self.exported.of(kind)
            for number, name, thing, origin in chance.sample(offered, min(len(offered), chance.randint(0, most))):
                self._add(module, scope, f"m{number}", name, thing, origin)
        memories = self.exported.of(Memory)
        if memories and chance.random() < 0.6:
            number, name, thing, origin = chance.choice(memories)
            self._add(module, scope, f"m{number}", name, thing, origin)

    def _add(self, module: Module, scope: Scope, source: str, name: str, thing: Thing, origin: tuple[int, str]) -> None:
        local = f"{source}_{name}"
        made = Import(source, name, local, thing, origin)
        if isinstance(thing, Signature):
            scope.functions[local] = thing
        elif isinstance(thing, Memory):
            made.limits = self._import_limits(thing.minimum, thing.maximum, thing.host_limit)
            if thing.marked and self.chance.random() < 0.7:
                made.limits = "0"  # a truncated memory has no whole page
            scope.memory, scope.whole_pages, scope.grows_memory = thing, not thing.marked, True
        elif isinstance(thing, Table):
            made.limits = self._import_limits(thing.minimum, thing.maximum, False)
            scope.tables[local] = thing
            scope.grown_tables.add(local)
        else:
            scope.variables[local] = thing
        module.imports.append(made)

    def _import_limits(self, minimum: int, maximum: int | None, no_maximum: bool) -> str:
        """What the importer declares: mostly what there is, sometimes less, rarely what cannot be linked."""
        chance = self.chance
        least = chance.choice([minimum] * 12 + [0] * 2 + [max(0, minimum - 1)] * 2)
        if chance.random() < 0.01:
            least = minimum + 1
        most: int | None = None
        if not no_maximum and maximum is not None and chance.random() < 0.6:
            most = max(least, maximum + chance.choice((0, 0, 0, 1)))
        if not no_maximum and chance.random() < 0.01:
            most = max(least, minimum - 1)
        return str(least) if most is None else f"{least} {most}"

    def _own(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        marked = chance.random() < 0.3
        if scope.memory is None and chance.random() < 0.85:
            self._own_memory(module, scope, marked)
        letters = [chance.choice("ppppxx") for _ in range(chance.choice((0, 1, 1, 2)))]
        if number_of(scope.tables, "p") == 0 and "p" not in letters:
            letters.append("p")
        for i, letter in enumerate(letters):
            least = chance.choice((0, 1, 2, 3, 8, 10))
            table = Table(letter, least, chance.choice((None, least, least + 1, least + 4, 40)))
            name, exported = f"t{i}", chance.random() < 0.7
            module.tables.append((name, exported, table))
            scope.tables[name] = table
            if chance.random() < 0.4:
                scope.grown_tables.add(name)
            if exported:
                self._export(module, name, table)
        if chance.random() < 0.02:
            module.padding = chance.choice((1000, 1000, 1100))  # 1100 are too many for insitu
        self._own_variables(module, scope)

    def _export(self, module: Module, name: str, thing: Thing, origin: tuple[int, str] | None = None) -> None:
        origin = origin or (module.number, name)
        self.exported.things.append((module.number, name, thing, origin))
        if isinstance(thing, Signature):
            self.names[module.number, name] = f"m{origin[0]}.{origin[1]}"

    def _own_memory(self, module: Module, scope: Scope, marked: bool) -> None:
        chance = self.chance
        least = chance.choice((0, 1, 1, 1, 1, 2)) if self.pages > 1 else max(0, self.pages)
        if marked:
            least = max(least, 1)
        most = chance.choice((None, None, least, least + 1, least + 2, self.pages))
        if most is not None:
            most = max(least, min(most, self.pages))
        exported = chance.random() < 0.8
        own_growth = not marked and chance.random() < 0.4
        if most is None:
            own_growth = False
        memory = Memory(least, most, least * PAGE)
        memory.grows = most is not None and most > least and (own_growth or exported)
        memory.host_limit = most is None
        if marked:
            memory.marked = not memory.grows
            memory.end = chance.choice((1040, 8, 16, 1024, 4096, 65528, 65536, chance.randrange(8, 65536)))
            module.variables.append(("__heap_base", True, Variable("i", False), f"(i32.const {memory.end})"))
            module.variables.append(("__data_end", True, Variable("i", False), f"(i32.const {memory.end // 2})"))
            memory.end = (memory.end + 7) & ~7 if memory.marked else least * PAGE
        self.pages -= most if memory.grows and most is not None else least
        limits = str(least) if most is None else f"{least} {most}"
        module.memory = ("m" if exported else "", memory, limits)
        scope.memory, scope.grows_memory = memory, own_growth
        scope.whole_pages = not memory.marked or chance.random() < 0.1
        if exported:
            self._export(module, "m", memory)
        self._data(module, scope)

    def _data(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        for i in range(chance.choice((0, 1, 2))):
            length = chance.choice((0, 1, 5, 8, 16))
            content = "".join(f"\\{chance.randrange(256):02x}" for _ in range(length))
            if chance.random() < 0.5:
                module.segments.append(f'(data $d{i} "{content}")')
                scope.data.append((f"d{i}", length))
            else:
                self._active_data(module, scope, f"d{i}", length, content)

    def _active_data(self, module: Module, scope: Scope, name: str, length: int, content: str) -> None:
        assert scope.memory
        end = scope.memory.end + (1 if self.chance.random() < 0.02 else 0)
        at = max(0, self.chance.choice((end - length, 0, 8)))
        if at + length > end:
            at = 0
        module.segments.append(f'(data ${name} (i32.const {at}) "{content}")')
        scope.data.append((name, 0))

    def _own_variables(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        own: list[tuple[str, bool, Variable, str]] = [
            ("fuel", True, Variable("i", True), "(i32.const 30)"),
            ("sum", True, Variable("i", True), "(i32.const 0)"),
        ]
        constants = [n for n, v in scope.variables.items() if not v.mutable]
        for i in range(chance.randint(1, 4)):
            letter = chance.choice("iIfFppxx")
            init = {
                "i": f"(i32.const {chance.choice(INTERESTING)})",
                "I": f"(i64.const {chance.choice(INTERESTING)})",
                "f": f"(f32.const {chance.choice(FLOATS)})",
                "F": f"(f64.const {chance.choice(FLOATS)})",
                "p": "(ref.null func)",
                "x": "(ref.null extern)",
            }[letter]
            usable = [n for n in constants if scope.variables[n].letter == letter]
            if usable and chance.random() < 0.5:
                init = f"(global.get ${chance.choice(usable)})"
            elif letter == "p" and chance.random() < 0.6:
                init = "(ref.func $f0)"
            # all that are mutable are exported: none can be taken for a toolchain's stack pointer
            variable = Variable(letter, chance.random() < 0.7)
            own.append((f"g{i}", variable.mutable or chance.random() < 0.6, variable, init))
        for name, exported, variable, init in own:
            module.variables.append((name, exported, variable, init))
            scope.variables[name] = variable
            if exported and name not in ("fuel", "sum"):
                self._export(module, name, variable)

    # --- functions ---

    def _functions(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        kinds = [_PLAIN] + [chance.choice([_PLAIN, *self.types]) for _ in range(chance.choice((1, 2, 3)))]
        names = {f"f{i}": kind for i, kind in enumerate(kinds)}
        imported = [i for i in module.imports if isinstance(i.thing, Signature)]
        scope.declared = [*names, *(i.local for i in imported)]
        scope.functions.update(names)
        self._elements(module, scope)
        bodies = Bodies(chance, scope)
        for name, kind in names.items():
            leaf = chance.random() < 0.2
            made = bodies.function(name, kind, True, chance.choice((1, 2, 3, 4)), fuel=not leaf)
            module.functions.append(made)
            self._export(module, name, kind)
        for i in imported:
            # every function is exported, so that what stands for it can be named
            name = f"r_{i.local}"
            module.exports.append(f'(export "{name}" (func ${i.local}))')
            origin = i.origin if i.origin[0] >= 0 else (module.number, name)
            self._export(module, name, i.thing, origin)
        for i in module.imports:
            if not isinstance(i.thing, Signature) and chance.random() < 0.2:
                kind = {Memory: "memory", Table: "table"}.get(type(i.thing), "global")
                name = f"r_{i.local}"
                module.exports.append(f'(export "{name}" ({kind} ${i.local}))')
                self._export(module, name, i.thing, i.origin)
        module.functions += self._deep(scope)
        module.segments.append(f"(elem declare func {' '.join('$' + name for name in scope.declared)})")
        if chance.random() < 0.15:
            module.start = "start"
            module.functions.append(bodies.function("start", Signature("", ""), False, 3, fuel=True))

    def _elements(self, module: Module, scope: Scope) -> None:
        chance = self.chance
        plain = [n for n in scope.declared if scope.functions[n] == _PLAIN]
        for i in range(chance.choice((1, 2, 3))):
            letter = chance.choice("ppppx") if scope.tables else "p"
            tables = [n for n, t in scope.tables.items() if t.letter == letter]
            table = chance.choice(tables) if tables else ""
            length = scope.tables[table].minimum if table and chance.random() < 0.7 else chance.choice((0, 1, 3))
            if letter == "x":
                items = " ".join(["(item ref.null extern)"] * length)
                kind = "externref "
            else:
                items = " ".join(self._item(plain, scope) for _ in range(length))
                kind = "funcref "
            if table and chance.random() < 0.65:
                room = scope.tables[table].minimum - length
                at = max(0, chance.choice((room, room, 0))) + (1 if chance.random() < 0.02 else 0)
                if room < 0:
                    continue
                module.segments.append(f"(elem $e{i} (table ${table}) (i32.const {at}) {kind}{items})")
                length = 0
            else:
                module.segments.append(f"(elem $e{i} {kind}{items})")
            scope.elements.append((f"e{i}", letter, length))

    def _item(self, plain: list[str], scope: Scope) -> str:
        chance = self.chance
        if chance.random() < 0.1:
            return "(item ref.null func)"
        name = chance.choice(plain if plain and chance.random() < 0.7 else scope.declared)
        return f"(item ref.func ${name})"

    def _deep(self, scope: Scope) -> list[Function]:
        """A recursion of the caller's depth with an import at its end, and a leaf with a large frame."""
        chance = self.chance
        width = chance.choice((0, 1, 3, 8))
        back = chance.choice([n for n, s in scope.functions.items() if s == _PLAIN and n.startswith(("host_", "m"))])
        deep = Function(_DEEP, _PLAIN, True)
        deep.head.append(f"(local {' '.join(['i64'] * max(width, 1))})")
        deep.head += [
            f"(local.set {i + 1} (i64.extend_i32_s (i32.mul (local.get 0) (i32.const {i + 3}))))" for i in range(width)
        ]
        deep.head.append(f"(if (i32.eqz (local.get 0)) (then (return (call ${back} (i32.const 5)))))")
        total = "(i32.rotl (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 3))"
        for i in range(width):
            total = f"(i32.xor {total} (i32.wrap_i64 (local.get {i + 1})))"
        deep.results = [total]
        return [deep, self._wide()]

    def _wide(self) -> Function:
        """A leaf whose values do not fit into registers."""
        chance = self.chance
        count = chance.choice((2, 8, 16, 24))
        wide = Function("wide", _PLAIN, True)
        wide.head.append(f"(local i32 {' '.join(['i64'] * count)})")
        for i in range(count):
            wide.head.append(f"(local.set {i + 2} (i64.extend_i32_s (i32.add (local.get 0) (i32.const {i}))))")
        wide.head.append("(local.set 1 (i32.const 2))")
        body = []
        for i in range(count):
            product = f"(i64.mul (local.get {i + 2}) (i64.const {i * 2 + 3}))"
            body.append(f"(local.set {i + 2} (i64.add {product} (local.get {2 + (i + 1) % count})))")
        if chance.random() < 0.4:  # a library helper below it
            body.append("(local.set 2 (i64.div_u (local.get 2) (i64.or (local.get 3) (i64.const 1))))")
        wide.head.append(f"(loop {' '.join(body)} (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))")
        total = "(local.get 2)"
        for i in range(1, count):
            total = f"(i64.xor {total} (local.get {i + 2}))"
        wide.results = [f"(i32.wrap_i64 {total})"]
        return wide

    def _smith(self) -> None:
        """One more module, by wasm-tools, of what the others export."""
        chance, number = self.chance, len(self.modules)
        offered = [
            Import(f"m{k}", name, f"i{i}", thing, origin, limits_of(thing))
            for i, (k, name, thing, origin) in enumerate(self.exported.things)
            if not (isinstance(thing, Memory) and thing.marked)
        ]
        offered += [Import("host", f"h{i}", f"h{i}", kind, (-1, f"h{i}")) for i, kind in enumerate(self.host_types)]
        offered = chance.sample(offered, min(len(offered), 12))
        memories = [i for i in offered if isinstance(i.thing, Memory)]
        offered = [i for i in offered if i not in memories[1:]]
        available = Module(number, offered)
        with tempfile.NamedTemporaryFile(prefix="insitu-fuzz-", suffix=".wasm") as file:
            file.write(available.wasm(False))
            file.flush()
            # both count what is imported
            functions = 4 + sum(isinstance(i.thing, Signature) for i in offered)
            more = {**_SMITH, "available-imports": file.name, "max-imports": "12", "max-funcs": str(functions)}
            binary = smith(chance.randbytes(chance.choice((500, 1500, 3000))), more)
        if not binary:
            return
        self.modules.append(Module(number, binary=binary))
        origins = {(i.module, i.name): i.origin for i in offered}
        module = decode(binary)
        imported = [i for i in module.imports if i.kind == "func"]
        for export in module.exports:
            if export.kind == "func":
                origin = (number, export.name)
                if export.index < len(imported):
                    wanted = imported[export.index]
                    origin = origins[wanted.module, wanted.name]
                    origin = origin if origin[0] >= 0 else (number, export.name)
                kind = module.func_types[export.index]
                self._export(self.modules[number], export.name, signature_of(kind), origin)

    # --- host functions and steps ---

    def _host(self, number: int, kind: Signature) -> Any:
        chance = self.chance
        actions = [self._action(kind) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        if number == 0:  # what comes back from the end of a recursion
            k = chance.randrange(self.own)
            actions.insert(0, ("call", k, chance.choice(("wide", "wide", "f0", _DEEP)), [("c", 3)], False))
        returns = [self._source(letter, kind) for letter in kind.results]
        return (f"h{number}", kind.params, kind.results, actions, returns)

    def _source(self, letter: str, kind: Signature | None = None) -> Any:
        """A value of that type, perhaps a parameter of the host function."""
        chance = self.chance
        if kind is not None and letter in kind.params and chance.random() < 0.5:
            return ("a", chance.choice([i for i, t in enumerate(kind.params) if t == letter]))
        if letter == "i":
            return ("c", chance.choice((0, 1, 2, 3, 5, 8, chance.choice(INTERESTING))))
        if letter == "I":
            return ("c", chance.choice(INTERESTING))
        if letter == "f":
            return ("b", "f", chance.choice((0, 0x80000000, 0x3F800000, 0xBFC00000, 0x7F800000)))
        if letter == "F":
            return ("b", "F", chance.choice((0, 1 << 63, 0x3FF << 52, 0xBFF8 << 48, 0x7FF << 52)))
        if letter == "x":
            return chance.choice((("n",), ("x", 1), ("x", 2), ("x", chance.randrange(40))))
        functions = [t for t in self.exported.of(Signature)]
        if chance.random() < 0.25 or not functions:
            return ("n",)
        k, name, _, _ = chance.choice(functions)
        return ("f", k, name)

    def _action(self, kind: Signature | None) -> Any:
        """What a host function does, or a step does outside of any call."""
        chance = self.chance
        makers = [self._call_action] * (5 if kind else 0) + [self._memory_action] * 4
        makers += [self._table_action] * 4 + [self._variable_action] * 3 + [self._other_action]
        for _ in range(8):
            found = chance.choice(makers)(kind)
            if found:
                return found
        return ("canary", 16)

    def _call_action(self, kind: Signature | None) -> Any:
        chance = self.chance
        k, name, signature, _ = chance.choice(self.exported.of(Signature))
        sources = [self._source(letter, kind) for letter in signature.params]
        return ("call", k, name, sources, chance.random() < 0.6)

    def _memory_action(self, kind: Signature | None) -> Any:
        chance = self.chance
        memories = self.exported.of(Memory)
        if not memories:
            return None
        k, name, memory, _ = chance.choice(memories)
        roll = chance.random()
        if roll < 0.4:
            least = 1 if memory.marked else 0  # how much a truncated one has, in pages, is the only difference
            return ("grow", k, name, chance.choice((least, 1, 1, 1, 2, 65536, -1, -2, 0x7FFFFFFF, 1 << 32)))
        end = chance.choice((memory.end, memory.end, (memory.maximum or 1) * PAGE))
        data = bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 8, 9))))
        at = end - len(data) + chance.choice((0, 0, 0, 0, 1, -1, -8))
        if roll < 0.8:
            return ("write", k, name, at, data)
        return ("read", k, name, at, len(data))

    def _table_action(self, kind: Signature | None) -> Any:
        chance = self.chance
        tables = self.exported.of(Table)
        if not tables:
            return None
        k, name, table, _ = chance.choice(tables)
        index = chance.choice((table.minimum - 1, table.minimum - 1, 0, table.minimum, (table.maximum or 40) - 1, -1))
        roll = chance.random()
        if roll < 0.35:
            return ("tset", k, name, index, self._source(table.letter, kind))
        if roll < 0.55:
            return ("tget", k, name, index)
        if roll < 0.8 or table.letter != "p" or kind is None:
            count = chance.choice((0, 1, 1, 2, 5, 0x2000000, -1, -5))
            return ("tgrow", k, name, count, self._source(table.letter, kind))
        return None

    def _variable_action(self, kind: Signature | None) -> Any:
        chance = self.chance
        variables = self.exported.of(Variable)
        if not variables:
            return None
        k, name, variable, _ = chance.choice(variables)
        if chance.random() < 0.3 or variable.letter in "fF":
            return ("gget", k, name)
        return ("gset", k, name, self._source(variable.letter, kind))

    def _other_action(self, kind: Signature | None) -> Any:
        chance = self.chance
        if kind is not None and chance.random() < 0.5:
            return ("raise",)
        if chance.random() < 0.3:
            return ("load", len(self.modules) - 1)
        return ("canary", chance.choice((8, 16, 24, 100)))

    def _steps(self) -> list[Step]:
        chance = self.chance
        count = len(self.modules)
        late = count - 1 if chance.random() < 0.25 else count
        steps: list[Step] = [("load", k) for k in range(late)]
        stack = chance.choice((8000, 8000, 8000, 2000, 400, 100, 8, 0))
        for k in range(count):
            steps += [("canary", chance.choice((8, 16, 40, 200))) for _ in range(chance.choice((0, 1, 2)))]
            steps.append(("instantiate", k, 20, stack))
            if chance.random() < 0.5:
                steps.append(("canary", chance.choice((8, 16, 40))))
            if chance.random() < 0.3:
                steps.append(("free_canary", chance.randrange(8)))
            steps += [self._call_step(k + 1) for _ in range(chance.choice((0, 1, 2)))]
        for _ in range(chance.choice((8, 12))):
            steps.append(self._call_step(count) if chance.random() < 0.7 else ("do", 20, self._action(None)))
        if chance.random() < 0.2 or stack < 300:
            steps += self._recursion()
        return steps

    def _call_step(self, count: int) -> Step:
        k, name, signature, _ = self.chance.choice([t for t in self.exported.of(Signature) if t[0] < count])
        return ("call", self.chance.choice((4, 20, 20)), k, name, [self._source(t) for t in signature.params])

    def _recursion(self) -> list[Step]:
        """Calls of growing depth, until somebody's operand stack is full, and some more."""
        k = self.chance.randrange(self.own)
        depths = [*range(0, 12), *range(12, 60, 2)]
        return [("call", 20, k, _DEEP, [("c", depth)]) for depth in depths]


def limits_of(thing: Thing) -> str:
    """As the owner declares them."""
    if not isinstance(thing, (Memory, Table)):
        return ""
    return str(thing.minimum) if thing.maximum is None else f"{thing.minimum} {thing.maximum}"


def signature_of(kind: Any) -> Signature:
    """Of a function type as insitu reads it."""
    letters = {name: letter for letter, name in WAT.items()}
    return Signature("".join(letters[t.name] for t in kind.params), "".join(letters[t.name] for t in kind.results))


def number_of(tables: dict[str, Table], letter: str) -> int:
    """How many of them are of that type."""
    return sum(t.letter == letter for t in tables.values())


def system(seed: int) -> System:
    """The same for the same seed, always."""
    return Generator(seed).system()
