"""Random bodies of functions: every expression valid by construction, aimed at the ends of memories and tables."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.fuzz.systems.plan import PAGE, WAT, Function, Memory, Signature, Table, Variable

INTERESTING = (0, 1, -1, 2, 3, 7, 31, 32, 255, 1024, 4096, 65535, 65536, 0x7FFFFFFF, -0x80000000)
FLOATS = ("0", "-0", "1", "-1.5", "0.5", "1e10", "-inf", "inf", "2147483648")
_LOADS = {
    "i": [("i32.load", 4), ("i32.load8_u", 1), ("i32.load16_s", 2)],
    "I": [("i64.load", 8), ("i64.load32_u", 4), ("i64.load8_s", 1)],
    "f": [("f32.load", 4)],
    "F": [("f64.load", 8)],
}
_STORES = {
    "i": [("i32.store", 4), ("i32.store8", 1), ("i32.store16", 2)],
    "I": [("i64.store", 8), ("i64.store32", 4)],
    "f": [("f32.store", 4)],
    "F": [("f64.store", 8)],
}
_OPERATORS = {
    "i": ["add", "sub", "mul", "xor", "and", "or", "rotl", "shr_u", "lt_s", "div_u"],
    "I": ["add", "sub", "mul", "xor", "and", "rotl", "shr_s", "div_s"],
}


@dataclass
class Scope:
    """What a module's functions can use, by local name.

    Attributes:
        data, elements: passive segments: name, length (and the letter of elements).
        declared: functions that ref.func may name.
        whole_pages: memory.size and memory.grow(0) mean the same everywhere: the memory cannot be truncated.
    """

    functions: dict[str, Signature] = field(default_factory=dict)
    memory: Memory | None = None
    whole_pages: bool = True
    tables: dict[str, Table] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    data: list[tuple[str, int]] = field(default_factory=list)
    elements: list[tuple[str, str, int]] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    types: list[Signature] = field(default_factory=list)
    grows_memory: bool = False
    grown_tables: set[str] = field(default_factory=set)


class Bodies:
    """Writes the functions of one module.

    Attributes:
        wild: how often an access is allowed to be out of bounds.
    """

    def __init__(self, chance: random.Random, scope: Scope) -> None:
        self.chance, self.scope = chance, scope
        self.wild = chance.choice((0.02, 0.06, 0.12))

    def function(self, name: str, signature: Signature, exported: bool, statements: int, fuel: bool) -> Function:
        made = Function(name, signature, exported)
        self.params = signature.params
        self.calls_allowed = fuel
        first = len(signature.params)
        self.loop = first + 2
        made.head.append("(local i32 i64 i32)")
        self.locals = {"i": first, "I": first + 1}
        if fuel:
            default = " ".join(self.constant(t) for t in signature.results)
            made.head.append(f"(if (i32.lt_s (global.get $fuel) (i32.const 1)) (then (return {default})))")
            made.head.append("(global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))")
        made.statements = [self.statement(2) for _ in range(statements)]
        made.results = [self.expression(t, 2) for t in signature.results]
        return made

    # --- values ---

    def constant(self, letter: str) -> str:
        chance = self.chance
        if letter in "iI":
            return f"({WAT[letter]}.const {chance.choice(INTERESTING)})"
        if letter in "fF":
            return f"({WAT[letter]}.const {chance.choice(FLOATS)})"
        if letter == "p":
            if self.scope.declared and chance.random() < 0.7:
                return f"(ref.func ${chance.choice(self.scope.declared)})"
            return "(ref.null func)"
        return "(ref.null extern)"

    def expression(self, letter: str, depth: int) -> str:
        """An expression of that type."""
        chance = self.chance
        makers = [self.constant, self._parameter, self._variable]
        if depth > 0:
            makers += [self._parameter, self._variable, self._load, self._call, self._indirect, self._select]
            makers += {"i": [self._i32] * 4, "p": [self._entry] * 3, "x": [self._entry] * 3}.get(
                letter, [self._operator] * 2
            )
        for _ in range(8):
            maker = chance.choice(makers)
            if maker in (self.constant, self._parameter, self._variable):
                found = maker(letter)  # type: ignore[operator]
            else:
                found = maker(letter, depth - 1)  # type: ignore[call-arg,operator]
            if found:
                return str(found)
        return self.constant(letter)

    def _parameter(self, letter: str) -> str:
        places = [i for i, t in enumerate(self.params) if t == letter]
        if letter in self.locals:
            places.append(self.locals[letter])
        return f"(local.get {self.chance.choice(places)})" if places else ""

    def _variable(self, letter: str) -> str:
        names = [name for name, v in self.scope.variables.items() if v.letter == letter and name != "fuel"]
        return f"(global.get ${self.chance.choice(names)})" if names else ""

    def _load(self, letter: str, depth: int) -> str:
        if letter not in _LOADS or self.scope.memory is None:
            return ""
        name, width = self.chance.choice(_LOADS[letter])
        address, offset = self.address(width, depth)
        return f"({name} offset={offset} {address})"

    def address(self, width: int, depth: int) -> tuple[str, int]:
        """Address and offset of an access: most often the last that is still inside."""
        chance, memory = self.chance, self.scope.memory
        assert memory
        ends = [memory.end] * 6 + [memory.minimum * PAGE] * (not memory.marked)
        if memory.maximum is not None and memory.grows:
            ends += [memory.maximum * PAGE] * 2
        end = chance.choice(ends)
        beyond = chance.choice((1, 2, 4, 8, 100, PAGE)) if chance.random() < self.wild else 0
        before = chance.choice((0, 0, 0, 0, 1, 2, 3, 4, 8, 16, 100, end // 2, end))
        total = max(0, end - width - (before if not beyond else -beyond))
        offset = chance.choice((0, total, total, total // 2, min(total, 1040), total - total % 4096))
        rest = total - offset
        roll = chance.random()
        if roll < 0.55:
            return f"(i32.const {rest})", offset
        if roll < 0.9:  # LLVM cannot know it
            mask = chance.choice((1, 3, 4, 15, 255))
            rest = max(0, rest - mask)
            return f"(i32.add (i32.and {self.expression('i', depth)} (i32.const {mask})) (i32.const {rest}))", offset
        if chance.random() < self.wild:
            return self.expression("i", depth), chance.choice((offset, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000))
        return f"(i32.const {rest})", offset

    def arguments(self, params: str, depth: int) -> str:
        return " ".join(self.expression(t, min(depth, 1)) for t in params)

    def _call(self, letter: str, depth: int) -> str:
        names = [n for n, s in self.scope.functions.items() if s.results == letter]
        if not self.calls_allowed or not names:
            return ""
        name = self.chance.choice(names)
        return f"(call ${name} {self.arguments(self.scope.functions[name].params, depth)})"

    def _indirect(self, letter: str, depth: int) -> str:
        tables = [name for name, t in self.scope.tables.items() if t.letter == "p"]
        types = [t for t in self.scope.types if t.results == letter]
        if not self.calls_allowed or not tables or not types:
            return ""
        table, kind = self.chance.choice(tables), self.chance.choice(types)
        arguments = self.arguments(kind.params, depth)
        return f"(call_indirect ${table}{kind.text()} {arguments} {self.index(table, depth)})"

    def index(self, table: str, depth: int) -> str:
        """An index of a table: most often its last."""
        chance, length = self.chance, self.scope.tables[table].minimum
        if chance.random() < self.wild or not length:
            beyond = (length, length + 1, 1024, -1, self.scope.tables[table].maximum or length)
            return f"(i32.const {chance.choice(beyond)})"
        if chance.random() < 0.2:
            mask = (1 << (length.bit_length() - 1)) - 1
            return f"(i32.and {self.expression('i', depth)} (i32.const {mask}))"
        return f"(i32.const {chance.choice((length - 1, length - 1, 0, chance.randrange(length)))})"

    def _select(self, letter: str, depth: int) -> str:
        typed = f"(result {WAT[letter]}) " if letter in "px" else ""
        one, other = self.expression(letter, depth), self.expression(letter, depth)
        return f"(select {typed}{one} {other} {self.expression('i', depth)})"

    def _operator(self, letter: str, depth: int) -> str:
        if letter in "fF":  # nothing that could make a NaN, whose bits the standard leaves open
            whole = f"({WAT[letter]}.convert_i32_s {self.expression('i', depth)})"
            return f"({WAT[letter]}.mul {whole} ({WAT[letter]}.const 0.5))"
        if letter not in _OPERATORS:
            return ""
        name = self.chance.choice(_OPERATORS[letter])
        right = self.expression(letter, depth)
        if name.startswith("div") and self.chance.random() > self.wild:
            right = f"({WAT[letter]}.or {right} ({WAT[letter]}.const 8))"
        return f"({WAT[letter]}.{name} {self.expression(letter, depth)} {right})"

    def _entry(self, letter: str, depth: int) -> str:
        tables = [name for name, t in self.scope.tables.items() if t.letter == letter]
        if not tables:
            return ""
        table = self.chance.choice(tables)
        return f"(table.get ${table} {self.index(table, depth)})"

    def _i32(self, letter: str, depth: int) -> str:
        """An i32 of something that is none."""
        chance, scope = self.chance, self.scope
        roll = chance.randrange(8)
        if roll == 0 and scope.memory and scope.whole_pages:
            return "(memory.size)"
        if roll == 1 and scope.memory and scope.grows_memory:
            least = 0 if scope.whole_pages else 1
            pages = chance.choice((least, 1, 1, 2, 65536, 0x7FFFFFFF, -1))
            return f"(memory.grow (i32.const {pages}))"
        if roll == 2 and scope.tables:
            return f"(table.size ${chance.choice(list(scope.tables))})"
        if roll == 3 and scope.grown_tables:
            table = chance.choice(sorted(scope.grown_tables))
            value = self.expression(scope.tables[table].letter, 0)
            return f"(table.grow ${table} {value} (i32.const {chance.choice((0, 1, 2, 5, 0x2000000, -1))}))"
        if roll == 4:
            return f"(ref.is_null {self.expression(chance.choice('px'), depth)})"
        if roll == 5:
            return f"(i32.wrap_i64 {self.expression('I', depth)})"
        if roll == 6:
            return f"(i32.lt_s {self.expression('i', depth)} {self.expression('i', depth)})"
        return self._operator("i", depth)

    # --- statements ---

    def statement(self, depth: int) -> str:
        """One that leaves the stack as it was."""
        chance = self.chance
        makers = [self._keep, self._keep, self._store, self._store, self._set, self._set, self._many, self._table]
        makers += [self._table, self._bulk, self._whole_call, self._local]
        if depth > 0:
            makers += [self._if, self._repeat]
        for _ in range(8):
            if found := chance.choice(makers)(depth - 1):
                return found
        return "(nop)"

    def _keep(self, depth: int) -> str:
        """Something into the module's sum, so that it is seen and not left out."""
        return f"(global.set $sum (i32.add (i32.rotl (global.get $sum) (i32.const 5)) {self.expression('i', 2)}))"

    def _local(self, depth: int) -> str:
        letter = self.chance.choice("iI")
        return f"(local.set {self.locals[letter]} {self.expression(letter, 2)})"

    def _store(self, depth: int) -> str:
        if self.scope.memory is None:
            return ""
        letter = self.chance.choice("iiIfF")
        name, width = self.chance.choice(_STORES[letter])
        address, offset = self.address(width, 1)
        return f"({name} offset={offset} {address} {self.expression(letter, 1)})"

    def _set(self, depth: int) -> str:
        names = [n for n, v in self.scope.variables.items() if v.mutable and n not in ("fuel", "sum")]
        if not names:
            return ""
        name = self.chance.choice(names)
        return f"(global.set ${name} {self.expression(self.scope.variables[name].letter, 2)})"

    def _many(self, depth: int) -> str:
        """A call of a function with any number of results."""
        if not self.calls_allowed:
            return ""
        names = [n for n, s in self.scope.functions.items() if len(s.results) != 1]
        if not names:
            return ""
        name = self.chance.choice(names)
        signature = self.scope.functions[name]
        lines = [f"call ${name}"]
        for letter in reversed(signature.results):
            keep = {"i": "(global.set $sum)"}.get(letter, "drop")
            lines.append(keep.strip("()") if keep != "drop" else keep)
        return f"{self.arguments(signature.params, 1)} {' '.join(lines)}"

    def _whole_call(self, depth: int) -> str:
        letter = self.chance.choice("iiiIpx")
        found = self._call(letter, 1) or self._indirect(letter, 1)
        return f"(drop {found})" if found else ""

    def _table(self, depth: int) -> str:
        if not self.scope.tables:
            return ""
        table = self.chance.choice(list(self.scope.tables))
        kind = self.scope.tables[table]
        value = self.expression(kind.letter, 1)
        roll = self.chance.randrange(5)
        if roll < 2:
            return f"(table.set ${table} {self.index(table, 1)} {value})"
        if roll == 2:
            start, count = self.run(kind.minimum)
            return f"(table.fill ${table} (i32.const {start}) {value} (i32.const {count}))"
        if roll == 3:
            others = [n for n, t in self.scope.tables.items() if t.letter == kind.letter]
            other = self.chance.choice(others)
            start, count = self.run(min(kind.minimum, self.scope.tables[other].minimum))
            to = max(0, kind.minimum - count) if self.chance.random() < 0.6 else start
            return f"(table.copy ${table} ${other} (i32.const {to}) (i32.const {start}) (i32.const {count}))"
        segments = [s for s in self.scope.elements if s[1] == kind.letter]
        if not segments:
            return ""
        name, _, length = self.chance.choice(segments)
        if self.chance.random() < 0.1:
            return f"(elem.drop ${name})"
        start, count = self.run(min(length, kind.minimum))
        to = max(0, kind.minimum - count)
        return f"(table.init ${table} ${name} (i32.const {to}) (i32.const {start}) (i32.const {count}))"

    def run(self, length: int) -> tuple[int, int]:
        """Start and count inside length, or one too many."""
        chance = self.chance
        if chance.random() < self.wild:
            return chance.choice(((length, 1), (0, length + 1), (-1, 2), (1, -1), (length + 1, 0)))
        start = chance.choice((0, 0, length // 2, length))
        return start, chance.choice((length - start, length - start, min(1, length - start), 0))

    def _bulk(self, depth: int) -> str:
        memory = self.scope.memory
        if memory is None:
            return ""
        chance = self.chance
        roll = chance.randrange(3)
        end = memory.end
        length = min(end, chance.choice((0, 1, 4, 16, 100, 1000)))
        if chance.random() < self.wild:
            end += chance.choice((1, 4, PAGE))
        to = end - length
        if roll == 0:
            return f"(memory.fill (i32.const {to}) {self.expression('i', 1)} (i32.const {length}))"
        if roll == 1:
            start = max(0, chance.choice((0, to - 1, to - 8, memory.end - length)))
            to, start = (to, start) if chance.random() < 0.5 else (start, to)
            return f"(memory.copy (i32.const {to}) (i32.const {start}) (i32.const {length}))"
        if not self.scope.data:
            return ""
        name, size = chance.choice(self.scope.data)
        if chance.random() < 0.1:
            return f"(data.drop ${name})"
        start, length = self.run(size)
        to = max(0, end - max(length, 0))
        return f"(memory.init ${name} (i32.const {to}) (i32.const {start}) (i32.const {length}))"

    def _if(self, depth: int) -> str:
        other = f" (else {self.statement(depth)})" if self.chance.random() < 0.5 else ""
        return f"(if {self.expression('i', 1)} (then {self.statement(depth)}){other})"

    def _repeat(self, depth: int) -> str:
        """A loop of a few rounds; none inside another, since they share a local."""
        rounds = self.chance.choice((1, 2, 3, 5))
        count = self.loop
        inside = self.statement(0)
        return (
            f"(local.set {count} (i32.const {rounds})) (loop {inside} "
            f"(br_if 0 (local.tee {count} (i32.sub (local.get {count}) (i32.const 1)))))"
        )
