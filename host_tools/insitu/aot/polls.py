"""Where an interruptible module polls: on LLVM's IR, after its passes, so that an unrolled loop polls once a turn.

A word of the instance, INSTANCE_FUEL, is counted down by each turn of a loop, and by each call in a recursion. At 0 the
code leaves for the runtime by a routine that keeps all registers (stubs/poll_*.S), which fills it again
(port/run/polls.py). Code never runs with 0 in it.

Loops that call nothing have the word in a register: it is loaded on the way in and stored on the way out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import stand_ins
from insitu.aot.blocks import CALLEE, Block, Blocks
from insitu.aot.loops import connected
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.aot.loops import Graph

MARK = "!insitu.polls = !{}\n"  # in the text of a module that is to poll
_DECLARATION = f"declare void @{stand_ins.POLL}(ptr) #901\nattributes #901 = {{ cold nounwind }}\n"
_DECLARED = re.compile(rf"^declare void @{stand_ins.POLL}\(.*$", re.MULTILINE)
# What LLVM has found out of functions, which do more now: they poll, and what runs then may not come back.
_KNOWN = re.compile(
    r" (?:memory\([^)]*\)|readnone|readonly|writeonly|willreturn|mustprogress|norecurse|nosync|nofree)\b"
)
_NAME = re.compile(r"^(hidden |internal |)\S*\s?.*?@([ft]\d+[^(]*)\(")
_CHECKED = "insitu.checked"  # blocks behind a stack check
# What neither polls nor leaves for what may.
_HELPERS = ("@llvm.", "@insitu_far_", "@insitu_trap", "@insitu_load", "@insitu_store")
_UNLIKELY = '!prof !{!"branch_weights", i32 1, i32 1048575}'
_WORD = f"  %insitu.fuel = getelementptr i8, ptr %inst, i32 -{layout.INSTANCE_FUEL}"
_OUTSIDE = "outside"
_LOCATION = re.compile(r", !dbg !\d+")


def wanted(text: str) -> bool:
    """Whether the module with this text is to poll."""
    return MARK.partition(" ")[0] in text


def with_stand_in(ir: str) -> str:
    """A module's text with the routine's stand-in in place of its declaration."""
    return _DECLARED.sub(stand_ins.definition(f"void @{stand_ins.POLL}(ptr %0)", "  ret void"), ir)


def placed(text: str) -> str:
    """A module's text with polls, before its functions are told apart by sections."""
    head, *functions = _KNOWN.sub("", text).split("\ndefine ")
    recursive = _recursive(functions)
    made = [_Function(f, _name(f) in recursive).text() for f in functions]
    module = llvm.parse_assembly("\ndefine ".join([head, *made]) + _DECLARATION)
    module.verify()
    _in_registers(module)
    return str(module)


def _in_registers(module: llvm.ModuleRef) -> None:
    """Counters that are not kept in memory become LLVM's values."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, llvm.create_pass_builder(None, llvm.create_pipeline_tuning_options()))


# --- recursions ---


def _name(function: str) -> str:
    found = _NAME.match(function)
    return found[2] if found else ""


def _recursive(functions: list[str]) -> set[str]:
    """Names of functions that may come to be called by themselves.

    What is called through a register, or in another unit, may call whatever can be reached from outside.
    """
    numbers: dict[str, int] = {_OUTSIDE: 0}
    for function in functions:
        numbers.setdefault(_name(function), len(numbers))
    graph: Graph = {number: [] for number in numbers.values()}
    for function in functions:
        number = numbers[_name(function)]
        for callee in CALLEE.findall(function):
            if callee[0] == "%":
                graph[number].append(0)
            elif callee[1:2] in ("f", "t"):
                graph[number].append(numbers.get(callee[1:], 0))
        if not function.startswith("internal"):
            graph[0].append(number)
    cycles = [part for part in connected(graph) if len(part) > 1 or part[0] in graph[part[0]]]
    return {name for name, number in numbers.items() if any(number in part for part in cycles)}


# --- one function ---


class _Function:
    """A function's text behind "define ", with its polls. recursive: whether its calls poll."""

    def __init__(self, text: str, recursive: bool) -> None:
        self._text, self._count = text, 0
        self.blocks = Blocks(text)
        self.first = next(iter(self.blocks), "")
        self._polled = [name for name in self.blocks if recursive and name.startswith(_CHECKED)]

    def text(self) -> str:
        heads = self._heads()
        if not heads and not self._polled:
            return self._text
        self._registers: dict[str, str] = {}
        for part in self._quiet(list(self.blocks)):
            self._keep_in_register(part)
        for name in [*self._polled, *heads]:
            self._poll(name, self._registers.get(name, "%insitu.fuel"))
        allocas = [f"  {register} = alloca i32, align 4" for register in dict.fromkeys(self._registers.values())]
        first = self.blocks[self.first]
        first.lines[:0] = [*allocas, _WORD]
        return self.blocks.text()

    def _new(self) -> int:
        self._count += 1
        return self._count

    def _heads(self) -> list[str]:
        """Blocks of which every way that comes back to where it was goes through one."""
        found: dict[str, None] = {}
        state: dict[str, int] = {}
        open_ = [(self.first, iter(self.blocks[self.first].next))] if self.first else []
        state[self.first] = 1
        while open_:
            block, ways = open_[-1]
            to = next(ways, None)
            if to is None:
                state[block] = 2
                open_.pop()
            elif to not in state:
                state[to] = 1
                open_.append((to, iter(self.blocks[to].next)))
            elif state[to] == 1:
                found[to] = None
        return list(found)

    def _poll(self, name: str, word: str) -> None:
        n = self._new()
        go_on, cold = f"insitu.go{n}", f"insitu.poll{n}"
        block = self.blocks.split(name, go_on)
        block.lines = [
            f"  %insitu.had{n} = load i32, ptr {word}, align 4",
            f"  %insitu.has{n} = add i32 %insitu.had{n}, -1",
            f"  store i32 %insitu.has{n}, ptr {word}, align 4",
            f"  %insitu.out{n} = icmp eq i32 %insitu.has{n}, 0",
        ]
        block.end = [f"  br i1 %insitu.out{n}, label %{cold}, label %{go_on}, {_UNLIKELY}"]
        behind = self.blocks[go_on]
        located = next((found[0] for line in (*behind.lines, *behind.end) if (found := _LOCATION.search(line))), "")
        lines = [f"  call void @{stand_ins.POLL}(ptr %inst) #901{located}"]  # of the loop, for a profile
        if word != "%insitu.fuel":
            lines = [*_moved(word, "%insitu.fuel", f"0.{n}"), *lines, *_moved("%insitu.fuel", word, f"1.{n}")]
        self.blocks[cold] = Block([], lines, [f"  br label %{go_on}"])

    # --- loops that call nothing ---

    def _quiet(self, names: Iterable[str]) -> list[set[str]]:
        """The outermost loops in which nothing else can poll."""
        names = list(names)
        numbers = {name: i for i, name in enumerate(names)}
        graph = {i: [numbers[to] for to in self.blocks[name].next if to in numbers] for name, i in numbers.items()}
        found = []
        for part in connected(graph):
            members = {names[i] for i in part}
            if len(part) == 1 and part[0] not in graph[part[0]]:
                continue
            if any(self._leaves(name) for name in members):
                found += self._quiet(n for n in names if n in members and n not in self._entries(members))
            else:
                found.append(members)
        return found

    def _entries(self, members: set[str]) -> set[str]:
        return {to for name, block in self.blocks.items() if name not in members for to in block.next if to in members}

    def _leaves(self, name: str) -> bool:
        callees = (CALLEE.search(line) for line in self.blocks[name].lines)
        return any(callee and not callee[1].startswith(_HELPERS) for callee in callees)

    def _keep_in_register(self, members: set[str]) -> None:
        register = f"%insitu.left{self._new()}"
        for name in members:
            self._registers[name] = register
        for name, to in [(name, to) for name, block in self.blocks.items() for to in block.next]:
            if (name in members) != (to in members) and not self._ends(to):
                n = self._new()
                source, target = ("%insitu.fuel", register) if to in members else (register, "%insitu.fuel")
                self.blocks.between(name, to, f"insitu.way{n}").lines = _moved(source, target, f"2.{n}")

    def _ends(self, name: str) -> bool:
        """Whether a block only traps."""
        return self.blocks[name].end[:1] == ["  unreachable"]


def _moved(source: str, target: str, name: str) -> list[str]:
    value = f"%insitu.moved{name}"
    return [f"  {value} = load i32, ptr {source}, align 4", f"  store i32 {value}, ptr {target}, align 4"]
