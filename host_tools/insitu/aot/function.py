"""One function under construction: its lines of LLVM IR, its operand stack, its blocks, its traps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from insitu.aot.ranges import Ranges, State
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot.plan import Plan

Values = list[tuple[str, str]]  # (IR type, operand)


@dataclass(slots=True)
class Label:
    """A structured control instruction that is open: where a branch to it goes, and what it carries.

    Attributes:
        kind: "block", "loop", "if", "else" or "function".
        params, results: IR types.
        branch: name of the block that a branch jumps to; end: of the block after its `end`.
        height: operand stack height below its parameters.
        incoming: for each edge into `end`, the block it comes from and the values it brings.
        loop_incoming, loop_phi_line: the same of a loop's head, whose phis are written when its end is known.
        parameters: operands that an `if` keeps for its `else`; before: what it knew.
        known: what every edge into `end` knows; None: there is none yet.
    """

    kind: str
    params: tuple[str, ...]
    results: tuple[str, ...]
    branch: str
    end: str
    height: int
    incoming: list[tuple[str, list[str]]] = field(default_factory=list)
    loop_incoming: list[tuple[str, list[str]]] = field(default_factory=list)
    loop_phi_line: int = 0
    loop_phis: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    before: State | None = None
    known: State | None = None

    @property
    def branch_types(self) -> tuple[str, ...]:
        return self.params if self.kind == "loop" else self.results


class FunctionBuilder:
    """Collects the IR of one function; the emit_* functions of its neighbours work on it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lines: list[str] = []
        self.stack: Values = []
        self.labels: list[Label] = []
        self.local_types: list[str] = []
        self.ranges = Ranges()
        self.block = "entry"
        self.reachable = True
        self.location = ""  # of the instruction that is compiled, as LLVM's text has it (locations.py)
        self.held: dict[int, str] = {}  # of locals whose value is known here: it
        self._count = 0
        self._conditions: dict[str, str] = {}
        self._trap_blocks: dict[int, str] = {}
        self._resume = ""
        self.signature_failures: list[tuple[str, str]] = []
        self.element_failures: dict[int, list[tuple[str, str]]] = {}
        self._leading: dict[str, set[str]] = {}  # to a shared block: locations

    # --- text ---

    def line(self, text: str) -> None:
        self.lines.append(f"  {text}{self.location}")

    def name(self, stem: str = "v") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def value(self, text: str) -> str:
        """A line that defines a value; its operand."""
        self._count += 1
        operand = f"%v{self._count}"
        self.lines.append(f"  {operand} = {text}{self.location}")
        return operand

    def local(self, index: int) -> str:
        """What a local has. LLVM makes no instruction of the load, so it needs no location."""
        self._count += 1
        operand = f"%v{self._count}"
        self.lines.append(f"  {operand} = load {self.local_types[index]}, ptr %l{index}")
        return operand

    def start_block(self, name: str) -> None:
        self.held = {}
        self.follow(name)

    def follow(self, name: str) -> None:
        """Start a block that only the one before leads to: locals have what they had there."""
        self.lines.append(f"{name}:")
        self.block = name

    def shared(self, name: str) -> str:
        """A block that the instruction leads to, and others may; it is started later, by start_shared."""
        self._leading.setdefault(name, set()).add(self.location)
        return name

    def start_shared(self, name: str) -> None:
        """What is written from here on has the location of the one instruction that leads here, or none."""
        self.location = self._leading[name].pop() if len(self._leading[name]) == 1 else ""
        self.start_block(name)

    # --- instructions ---

    def begin(self, at: int) -> None:
        """The instruction at that index of the body is next."""

    def emit(self, write: Callable[[], None]) -> None:
        """Have an instruction written; two_paths.py does so twice."""
        write()

    # --- operand stack ---

    def push(self, ir_type: str, operand: str) -> None:
        self.stack.append((ir_type, operand))

    def pop(self) -> str:
        return self.stack.pop()[1]

    def pop_many(self, count: int) -> list[str]:
        if not count:
            return []
        taken = [operand for _, operand in self.stack[-count:]]
        del self.stack[-count:]
        return taken

    def push_condition(self, condition: str) -> None:
        """Push an i1 as the i32 that WebAssembly has for it."""
        widened = self.value(f"zext i1 {condition} to i32")
        self._conditions[widened] = condition
        self.ranges.note_number(widened, 0, 1)
        self.push("i32", widened)

    def pop_condition(self) -> str:
        """The i1 that says whether the i32 on top is not 0."""
        operand = self.pop()
        return self._conditions.get(operand) or self.value(f"icmp ne i32 {operand}, 0")

    # --- traps: one cold block a kind and function ---

    def trap_block(self, code: int) -> str:
        return self.shared(self._trap_blocks.setdefault(code, f"trap{code}"))

    def trap_if(self, condition: str, code: int) -> None:
        go_on = self.name("b")
        self.line(f"br i1 {condition}, label %{self.trap_block(code)}, label %{go_on}, !prof !unlikely")
        self.follow(go_on)

    def trap_always(self, code: int) -> None:
        self.line(f"br label %{self.trap_block(code)}")

    def branch_unless(self, condition: str, stem: str) -> None:
        """Go on in a cold block where condition is false; resume() goes on where it is true."""
        self._resume, cold = self.name("b"), self.name(stem)
        self.line(f"br i1 {condition}, label %{self._resume}, label %{cold}, !prof !likely")
        self.start_block(cold)

    def resume(self) -> None:
        self.start_block(self._resume)

    def _emit_trap_blocks(self) -> None:
        if self.signature_failures:
            self._emit_signature_failure()
        for code, name in self._trap_blocks.items():
            self.start_shared(name)
            self.line(f"call void @insitu_trap(ptr %inst, i32 {code}) #1")
            self.line("unreachable")

    def _emit_signature_failure(self) -> None:
        """A null element has signature word 0 and another trap than one of another type."""
        self.start_shared("signature")
        edges = ", ".join(f"[ {word}, %{block} ]" for word, block in self.signature_failures)
        self.line(f"%word = phi i32 {edges}")
        self.line("%null = icmp eq i32 %word, 0")
        null, other = layout.TRAP_UNINITIALIZED_ELEMENT, layout.TRAP_INDIRECT_CALL_TYPE
        self.line(f"%kind = select i1 %null, i32 {null}, i32 {other}")
        self.line("call void @insitu_trap(ptr %inst, i32 %kind) #1")
        self.line("unreachable")

    # --- the instance block ---

    def instance_pointer(self, distance: int) -> str:
        """Pointer to what lies distance bytes below the instance pointer."""
        return self.value(f"getelementptr i8, ptr %inst, i32 {-distance}")

    def load_header(self, ir_type: str, distance: int, kind: str) -> str:
        """Read a word of the instance's header; kind "memory": changed by memory.grow, else for ever."""
        tag = "!tbaa !header" if kind == "memory" else "!invariant.load !{}"
        return self.value(f"load {ir_type}, ptr {self.instance_pointer(distance)}, align 4, {tag}")

    def _argument_pointer(self, slot: int) -> str:
        return self.instance_pointer(self.plan.args_distance - 8 * slot)

    def store_argument(self, slot: int, ir_type: str, operand: str) -> None:
        self.line(f"store {ir_type} {operand}, ptr {self._argument_pointer(slot)}, align 4, !tbaa !args")

    def load_argument(self, slot: int, ir_type: str) -> str:
        return self.value(f"load {ir_type}, ptr {self._argument_pointer(slot)}, align 4, !tbaa !args")

    def request(self, kind: int, operand: int, arguments: Values) -> None:
        """Leave for the runtime with a request of layout.REQUEST_*, and come back when it was served.

        The runtime looks up what operand names without a check; invariant: request-operand.
        """
        for slot, (ir_type, value) in enumerate(arguments):
            self.store_argument(slot, ir_type, value)
        self.line(f"call void @insitu_host_call(ptr %inst, i32 {kind | operand << 8})")

    # --- structured control ---

    def open(self, kind: str, params: tuple[str, ...], results: tuple[str, ...]) -> Label:
        end = self.name("end")
        label = Label(kind, params, results, end, end, len(self.stack) - len(params))
        self.labels.append(label)
        return label

    def open_loop(self, params: tuple[str, ...], results: tuple[str, ...], changed: set[int]) -> None:
        """changed: i32 locals that the loop sets."""
        label = self.open("loop", params, results)
        label.branch = self.name("loop")
        brought = self.pop_many(len(params))
        label.loop_incoming.append((self.block, brought))
        self.line(f"br label %{label.branch}")
        self.start_block(label.branch)
        self.ranges.forget(changed)
        label.loop_phi_line = len(self.lines)
        self.lines.append("")
        label.loop_phis = [f"%{self.name('p')}" for _ in params]
        for ir_type, phi in zip(params, label.loop_phis, strict=True):
            self.push(ir_type, phi)

    def open_if(self, params: tuple[str, ...], results: tuple[str, ...]) -> None:
        condition = self.pop_condition()
        label = self.open("if", params, results)
        label.parameters = [operand for _, operand in self.stack[label.height :]]
        label.before = self.ranges.state.copy()
        then, label.branch = self.name("then"), label.end
        self.line(f"br i1 {condition}, label %{then}, label %{label.end}.else")
        self.follow(then)

    def begin_else(self) -> None:
        label = self.labels[-1]
        self._fall_into_end(label)
        label.kind = "else"
        assert label.before is not None
        self.ranges.state = label.before
        self.start_block(f"{label.end}.else")
        self.stack.extend(zip(label.params, label.parameters, strict=True))
        self.reachable = True

    def _fall_into_end(self, label: Label) -> None:
        if self.reachable:
            label.incoming.append((self.block, self.pop_many(len(label.results))))
            label.known = self.ranges.joined(label.known, self.ranges.state)
            self.line(f"br label %{label.end}")
        del self.stack[label.height :]

    def close(self) -> None:
        """The `end` of the innermost label."""
        label = self.labels[-1]
        if label.kind == "if":
            self.begin_else()
        label = self.labels.pop()
        if label.kind == "loop":
            self._write_loop_phis(label)
            if self.reachable:
                return
            del self.stack[label.height :]
            return
        self._fall_into_end(label)
        self.reachable = label.known is not None
        if label.known is not None:
            self.start_block(label.end)
            self.ranges.state = label.known
            for operand, ir_type in zip(self.phis(label.results, label.incoming), label.results, strict=True):
                self.push(ir_type, operand)

    def _write_loop_phis(self, label: Label) -> None:
        text = []
        for i, (ir_type, phi) in enumerate(zip(label.params, label.loop_phis, strict=True)):
            edges = ", ".join(f"[ {values[i]}, %{block} ]" for block, values in label.loop_incoming)
            text.append(f"  {phi} = phi {ir_type} {edges}")
        self.lines[label.loop_phi_line] = "\n".join(text)

    def phis(self, types: tuple[str, ...], incoming: list[tuple[str, list[str]]]) -> list[str]:
        """What values of these IR types are at the head of a block that is come to from the blocks given."""
        if len(incoming) == 1:
            return incoming[0][1]
        phis = []
        for i, ir_type in enumerate(types):
            edges = ", ".join(f"[ {values[i]}, %{block} ]" for block, values in incoming)
            phis.append(self.value(f"phi {ir_type} {edges}"))
        return phis

    def edge_to(self, depth: int) -> str:
        """Note a branch from this block to the label depth levels out; the block to jump to.

        The operands it carries stay on the stack.
        """
        label = self.labels[-1 - depth]
        count = len(label.branch_types)
        values = [operand for _, operand in self.stack[len(self.stack) - count :]] if count else []
        if label.kind == "loop":
            label.loop_incoming.append((self.block, values))
        else:
            label.incoming.append((self.block, values))
            label.known = self.ranges.joined(label.known, self.ranges.state)
        return label.branch

    def leave_unreachable(self) -> None:
        """What follows up to the next `end` or `else` cannot be reached and is not compiled."""
        self.reachable = False
        del self.stack[self.labels[-1].height :]

    def finish(self) -> str:
        """The function's body, after its last `end`."""
        self._emit_trap_blocks()
        return "\n".join(line for line in self.lines if line)
