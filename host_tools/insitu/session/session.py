"""`insitu run`: start a board with an image in its flash, call exports, read results."""

from __future__ import annotations

import ast
import re
import secrets
import zlib
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from insitu.board.record import Board
from insitu.errors import InsituError, printable
from insitu.flash.mapped import map_images
from insitu.flash.package import put_code
from insitu.flash.store import check_overwrites_nothing
from insitu.flash.write import check_fits, flash
from insitu.image.read import Image, read
from insitu.link.memory import device_crc
from insitu.link.printed import Say, UpTo, unheard
from insitu.link.raw_repl import Link
from insitu.link.runner import DeviceError, Runner
from insitu.machine import Machine, emulated, emulator
from insitu.machine.port import Port
from insitu.machine.simulated import Simulated
from insitu.package.deploy import METHODS, best
from insitu.port.host.wasi import NAME as WASI
from insitu.port.host.wasi import SPAWN, THREADS
from insitu.port.xip.layout import IMAGE_START_FUNCTION, NONE
from insitu.session import pool, values
from insitu.session.given import IMPORTS, NOTHING, Given
from insitu.session.trace import TRACED, traced
from insitu.session.values import Value
from insitu.steps import step

# Exceptions of port/errors.py and port/host/wasi.py, whose texts say all that there is to say.
_OWN_ERRORS = ("Trap", "OutOfFuel", "Exit", "LoadError", "LinkError", "OutOfHeap", "Error", "HeapError")
_ALIGNMENT = 16  # of an image in flash
_INITIALIZE = "_initialize"  # of a WASI reactor: to be called before anything else
# What came of a call, behind a mark that the program cannot know: its texts may hold names that the module chose.
_GUARD = f"""
def _insitu_guard(mark, call, *args):
    try:
        found = call(*args)
    except Exception as error:
        kind = type(error).__name__
        if kind not in {_OWN_ERRORS!r}: raise
        found = kind, str(error), getattr(error, "code", 0), error.dump() if kind == "Trap" else ""
    print(mark + repr(found))
"""
# A call with the bits of its arguments and results: a firmware's floats may be narrower than f64.
_INVOKE = """
from insitu.checked import enter as _insitu_enter
def _insitu_invoke(name, arguments, results):
    _insitu_enter(inst.lookup_function(name), arguments)
    return bytes(inst.slots[:8 * results])
"""
# The same where imports may be async; without asyncio nothing else runs.
_INVOKE_ASYNC = """
from insitu.awaited import TaskEnv as _insitu_TaskEnv
try:
    from asyncio import run as _insitu_run
except ImportError:
    def _insitu_run(call):
        try:
            while True: call.send(None)
        except StopIteration as ended:
            return ended.value
async def _insitu_call(function, arguments):
    env = _insitu_TaskEnv(inst)
    try:
        return await env.enter(function, bytes, (arguments,), bytes)
    finally:
        env.destroy()
def _insitu_invoke(name, arguments, results):
    return _insitu_run(_insitu_call(inst.lookup_function(name), arguments))[:8 * results]
"""
_ASYNC = re.compile(r"\basync(io)?\b")  # in a file of functions
# The same of a program with threads, whose first calls an export that takes and gives nothing.
_INVOKE_THREADS = """
def _insitu_invoke(name, arguments, results):
    import asyncio
    asyncio.run(threads.run(name))
    return b""
"""


class RunError(InsituError):
    """A trap, or a call that cannot be made.

    Attributes: output: what was printed before it; dump: of a trap, the line that explain/ reads, "" where none is.
    """

    def __init__(self, text: str, output: bytes = b"", dump: str = "") -> None:
        super().__init__(text)
        self.output, self.dump = output, dump


class ProgramExit(RunError):
    """The program ended itself with WASI's proc_exit, whose code becomes the command's as far as eight bits hold it."""

    def __init__(self, code: int, output: bytes) -> None:
        super().__init__(f"the program ended with exit code {code}", output)
        self.code = code
        self.status = code & 0xFF or 1

    def checked(self) -> bytes:
        """What it printed; raises itself where the code is not 0."""
        if self.code:
            raise self
        return self.output


def _run_error(kind: str, text: str, code: int, output: bytes, dump: str = "") -> RunError:
    """An exception of insitu's on the device; its text is one line, whatever names the module chose."""
    if kind == "Exit":
        return ProgramExit(code, output)
    line = printable(text)
    return RunError(f"trap: {line}" if kind == "Trap" else line, output, dump)


def export_type(image: Image, name: str) -> tuple[str, str]:
    """Letters of an exported function's parameters and results. Raises RunError if there is none."""
    types = {n: t for n, kind, t in image.exports if kind == "func"}
    if name not in types:
        raise RunError(f'no exported function "{name}"; there are: {", ".join(sorted(types)) or "none"}')
    parameters, _, results = types[name].partition(":")
    return parameters, results


def parse_arguments(image: Image, name: str, texts: list[str]) -> list[int | float]:
    """The words of the command line as the export's parameters. Raises RunError naming what does not fit."""
    letters, _ = export_type(image, name)
    if len(letters) != len(texts):
        raise RunError(f"{name} takes {len(letters)} arguments, {len(texts)} given")
    parsed: list[int | float] = []
    for number, (letter, text) in enumerate(zip(letters, texts, strict=True), 1):
        try:
            parsed.append(values.parse(letter, text))
        except InsituError as error:
            raise RunError(f"{name}: argument {number}: {error}") from None
    return parsed


def understand(image: Image, export: str, words: Sequence[str], given: Given) -> tuple[list[int | float], Given]:
    """The words of a call: a WASI program's are its arguments, any other export's its parameters.

    Raises RunError naming what does not fit.
    """
    if export == "_start" and image.uses(WASI):
        return [], replace(given, arguments=(*given.arguments, *words))
    return parse_arguments(image, export, list(words)), given


def check_imports(image: Image, bound: Collection[str], given: Given = NOTHING) -> None:
    """Every import must be bound, as far as the host can tell; raises RunError naming the first that is not."""
    if given.functions:
        return  # the device knows what they bind
    provided = {WASI, *(name for name, _ in given.modules)}
    of_threads = {f"{THREADS}.{SPAWN}", *(f"{i[0]}.{i[1]}" for i in image.imports if i[2] == "memory")}
    bound = {*bound, *(of_threads if image.uses(THREADS) else ())}
    for module, name, kind, _ in image.imports:
        if f"{module}.{name}" not in bound and module not in provided:
            ways = f"--import {module}.{name}=print binds a printer, " if kind == "func" else ""
            text = f"{ways}--import-from FILE.py what that defines, --module {module}=FILE another module"
            raise RunError(f'the import {kind} "{module}.{name}" is not bound: {text}')


def _side_by_side(board: Board, images: list[bytes]) -> tuple[bytes, list[int]]:
    """What lies in flash, one image after the other, and where each begins. Raises InsituError if there is no room."""
    made, addresses = b"", []
    for image in images:
        check_fits(image, board)
        made += bytes(-len(made) % _ALIGNMENT)
        addresses.append(board.image.address + len(made))
        made += image
    check_fits(made, board)
    return made, addresses


def _initializer(image: Image) -> list[str]:
    """Code that calls a reactor's _initialize, where there is one."""
    there = any(export[:2] == (_INITIALIZE, "func") for export in image.exports)
    return [f"    inst.lookup_function({_INITIALIZE!r})()"] if there else []


class Session(AbstractContextManager["Session"]):
    """A board with the image in its flash, instantiated.

    On the device: `rt`, `mod`, `inst`, and `bound`, what it imports.
    """

    def __init__(
        self,
        board: Board,
        data: bytes,
        *,
        imports: dict[str, str],
        heap: int = 0,
        stack: int = 2048,
        knobs: dict[str, int | None] | None = None,
        prelude: str = "",
        counted: bool = False,
        deploy: str | None = None,
        flash_file: Path | None = None,
        port: str | None = None,
        sim: bool = False,
        given: Given = NOTHING,
        timeout: float | None = None,
        trace: bool = False,
        say: Say = unheard,
    ) -> None:
        """imports: "module.name" to an expression of the device's Python; prelude: code that defines its names.

        heap: bytes of the global heap, 0: see pool.default. knobs: further keyword arguments of instantiate. deploy: a
        key of deploy.METHODS, None: the board's best. port: of the board's serial line; sim: on the simulated CPU.
        Neither: the board's emulator, and counted and flash_file are as insitu.machine.emulated has them. timeout:
        seconds that a call may print nothing for. trace: print the
        calls of imports, too. say: gets what the program prints while it runs.
        """
        self.image = check_fits(data, board)
        check_imports(self.image, imports, given)
        self.board, self.counted = board, counted
        self.given, self.timeout, self.trace, self._say = given, timeout, trace, say
        self.data, self._addresses = _side_by_side(board, [data, *(image for _, image in given.modules)])
        self.imports, self.stack, self.prelude = imports, stack, prelude
        self.knobs = "".join(f", {name}={value}" for name, value in (knobs or {}).items() if value)
        images = [self.image, *(read(image) for _, image in given.modules)]
        size = heap or pool.default(board, images, stack, knobs or {})
        self.heap_address, self.heap = board.heap_place(size)
        self._is_needed = not heap and size > board.global_heap
        self.deploy, self.flash_file = deploy or best(board), flash_file
        self.port, self.sim = port or "", sim
        self._stack = ExitStack()
        self._can_invoke = False
        self.link: Runner

    def __enter__(self) -> Session:
        with ExitStack() as stack:  # what was started ends, too, where the rest fails
            if self.port:
                self._flash_if_needed()
            machine = stack.enter_context(self._machine())
            self.port = machine.port
            self.link = stack.enter_context(machine.link())
            self._prepare()
            self._stack = stack.pop_all()
        return self

    def _machine(self) -> Machine:
        if self.port:
            return Port(self.port)
        contents = [(self.board.image.address, self.data)]
        if self.sim:
            return Simulated(self.board, contents)
        emulator(self.board)
        if self.flash_file is not None:
            check_overwrites_nothing(self.board, None, self.data)
        method = METHODS[self.deploy]
        firmware = method.firmware(self.board)
        contents += method.contents(self.board)
        return emulated(self.board, contents, flash_file=self.flash_file, firmware=firmware, counted=self.counted)

    def _flash_if_needed(self) -> None:
        """Write the image, and the package's code, unless they are there; leave the board with an empty heap."""
        with Link(self.port) as link:
            map_images(link, self.board, package=False)
            crc = device_crc(link, self.board.image.address, len(self.data))
            link.soft_reset()
        if crc != zlib.crc32(self.data):
            check_overwrites_nothing(self.board, self.port, self.data)
            flash(self.data, self.board, port=self.port)
        if self.deploy == "files":
            put_code(self.board, self.port)

    def _prepare(self) -> None:
        """The global heap first of all: later MicroPython's heap may have no hole of this size."""
        try:
            self.link.run(f"heap = {self._heap_source()}\n")
            if isinstance(self.link, Link):
                with step(f"the device package on {self.board.name}"):
                    METHODS[self.deploy].install(self.link, self.board)
                map_images(self.link, self.board, package=True)
            self.link.run(_GUARD)
            self.run("import insitu\n")
            for code in (TRACED if self.trace else "", self.prelude, self.given.functions, self._instantiate()):
                self.run(code)
            self._guarded("_insitu_instantiate")
        except DeviceError as error:
            if error.kind != "MemoryError":
                raise
            text = f"{self.board.name} has no {self.heap} bytes for a global heap, or nothing beside it"
            hint = "`insitu inspect` says what for" if self._is_needed else "give a smaller --heap"
            raise RunError(f"{text}: {hint}") from None

    def _heap_source(self) -> str:
        if self.heap_address is not None:
            return f"({self.heap_address}, {self.heap})"
        return f"bytearray({self.heap})"

    def _instantiate(self) -> str:
        """Code: linked modules first, each under its name among what may be imported."""
        lines = [
            "def _insitu_instantiate():",
            "    global rt, mod, inst, bound, threads",
            "    rt = insitu.Runtime(heap=heap)",
            f"    bound = dict({IMPORTS if self.given.functions else '{}'})",
        ]
        for (name, data), address in zip(self.given.modules, self._addresses[1:], strict=True):
            image = read(data)
            runs = self.trace or _initializer(image) or image.word(IMAGE_START_FUNCTION) != NONE
            imports = traced(image) if self.trace else "bound"
            lines.append(f"    mod = rt.load({address})")
            stack = self.stack if runs else 0
            lines.append(f"    bound[{name!r}] = inst = mod.instantiate(stack_size={stack}, imports={imports})")
            lines += _initializer(image)
        lines += [f"    mod = rt.load({self._addresses[0]})", *self._bind()]
        if self.image.uses(WASI):
            given = self.given
            lines.append("    from insitu.wasi import Wasi")
            lines.append(
                f"    wasi = Wasi({given.arguments!r}, {dict(given.environment)!r}, folders={dict(given.folders)!r})"
            )
            lines.append("    bound = wasi.imports(mod, bound)")
        if self.trace:
            lines.append(f"    bound = {traced(self.image)}")
        if self.image.uses(THREADS):
            wasi = "wasi" if self.image.uses(WASI) else "None"
            lines.append("    from insitu.threads import Threads")
            lines.append(f"    threads = Threads(mod, bound, {self.stack}, {wasi})")
            lines.append("    inst = threads.instance")
            return "\n".join(lines) + "\n"
        lines.append(f"    inst = mod.instantiate(stack_size={self.stack}{self.knobs}, imports=bound)")
        if self.image.uses(WASI):
            lines.append("    wasi.bind(inst)")
        return "\n".join([*lines, *_initializer(self.image)]) + "\n"

    def _bind(self) -> list[str]:
        """Code: each import that has an expression of its own, beside what else its module has."""
        modules: dict[str, list[str]] = {}
        for module, name, _, _ in self.image.imports:
            if f"{module}.{name}" in self.imports and module != WASI:
                modules.setdefault(module, []).append(f"{name!r}: {self.imports[f'{module}.{name}']}")
        lines = []
        for module, names in modules.items():
            lines.append(f"    bound[{module!r}] = dict(bound.get({module!r}, {{}}))")
            lines.append(f"    bound[{module!r}].update({{{', '.join(names)}}})")
        return lines

    def run(self, code: str, timeout: float | None = None, say: Say = unheard) -> bytes:
        """Run code on the device; its output. A trap or another error of insitu's becomes a RunError.

        timeout, say: see Runner.run.
        """
        try:
            return self.link.run(code, timeout=timeout, say=say)
        except DeviceError as error:
            if error.kind not in _OWN_ERRORS:
                raise
            output = error.output.replace(b"\r\n", b"\n")
            raise _run_error(error.kind, error.text, 0, output) from None

    def _guarded(self, call: str, *arguments: str) -> tuple[bytes, Any]:
        """Call a function of the device: what was printed meanwhile, and its result, a literal."""
        mark = f"insitu-{secrets.token_hex(8)}:"
        code = f"_insitu_guard({', '.join((repr(mark), call, *arguments))})\n"
        with UpTo(mark.encode(), self._say) as say:
            output = self.run(code, self.timeout, say)
        printed, _, found = output.rpartition(mark.encode())
        printed, result = printed.replace(b"\r\n", b"\n"), ast.literal_eval(found.decode())
        if isinstance(result, tuple):
            kind, text, code, dump = result
            raise _run_error(kind, text, code, printed, dump)
        return printed, result

    def _invocation(self) -> str:
        if self.image.uses(THREADS):
            return _INVOKE_THREADS
        return _INVOKE_ASYNC if _ASYNC.search(self.given.functions) else _INVOKE

    def prepare_invoke(self) -> None:
        """Have _insitu_enter on the device: it calls a function with slots, and its results are in inst.slots."""
        if not self._can_invoke:
            self.run(self._invocation())
            self._can_invoke = True

    def invoke(self, name: str, arguments: list[int | float]) -> tuple[bytes, list[Value]]:
        """Call an export: what was printed meanwhile, and its results."""
        parameters, results = export_type(self.image, name)
        if self.image.uses(THREADS) and (parameters or results):
            raise RunError(f"{name}: of a program with threads, only what takes and gives nothing is called, as _start")
        passed = values.pack(parameters, arguments)
        self.prepare_invoke()
        if self.trace:
            self._say(f"trace: {name} {tuple(arguments)}\n".encode())
        try:
            printed, slots = self._guarded("_insitu_invoke", repr(name), repr(passed), str(len(results)))
        except ProgramExit as end:
            return end.checked(), []
        return printed, values.unpack(results, slots)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
