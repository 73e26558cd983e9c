"""`insitu run`: start a board with an image in its flash, call exports, read results."""

from __future__ import annotations

import ast
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

from insitu import deploy
from insitu.boards import Board
from insitu.errors import InsituError
from insitu.flash import check_fits
from insitu.image.read import Image
from insitu.qemu import Machine
from insitu.serial_link import DeviceError, Link


class RunError(InsituError):
    """A trap, or a call that cannot be made."""


def parse_arguments(image: Image, name: str, texts: list[str]) -> list[int | float]:
    """The words of the command line as the export's parameters. Raises RunError naming what does not fit."""
    types = {n: t for n, kind, t in image.exports if kind == "func"}
    if name not in types:
        raise RunError(f'no exported function "{name}"; there are: {", ".join(sorted(types)) or "none"}')
    letters = types[name].split(":")[0]
    if len(letters) != len(texts):
        raise RunError(f"{name} takes {len(letters)} arguments, {len(texts)} given")
    values: list[int | float] = []
    for letter, text in zip(letters, texts, strict=True):
        try:
            values.append(float(text) if letter in "fF" else int(text, 0))
        except ValueError:
            raise RunError(f"{name}: {text!r} is not {'a number' if letter in 'fF' else 'an integer'}") from None
    return values


def check_imports(image: Image, bound: dict[str, str]) -> None:
    """Every import must be bound; raises RunError naming the first that is not."""
    for module, name, kind, _ in image.imports:
        if f"{module}.{name}" not in bound:
            hint = f" (--import {module}.{name}=print binds a printer)" if kind == "func" else ""
            raise RunError(f'the import {kind} "{module}.{name}" is not bound{hint}')


class Session(AbstractContextManager["Session"]):
    """A QEMU board with the image instantiated: `inst`, `mod` and `rt` on the device."""

    def __init__(
        self,
        board: Board,
        data: bytes,
        *,
        imports: dict[str, str],
        heap: int = 0,
        stack: int = 2048,
        prelude: str = "",
        icount: bool = False,
    ) -> None:
        """imports: "module.name" to an expression of the device's Python; prelude: code that defines its names."""
        self.image = check_fits(data, board)
        check_imports(self.image, imports)
        self.board, self.data, self.icount = board, data, icount
        self.imports, self.heap, self.stack, self.prelude = imports, heap or board.global_heap, stack, prelude
        self._stack = ExitStack()
        self.link: Link

    def __enter__(self) -> Session:
        package = deploy.build_romfs(self.board)
        contents = [
            (self.board.image.place_address, self.data),
            (self.board.package.place_address, package),
        ]
        machine = self._stack.enter_context(Machine(self.board, contents, icount=self.icount))
        self.link = self._stack.enter_context(Link(machine.port))
        self.port = machine.port
        self.run(deploy.mount_code(self.board.package.address, len(package)))
        self.run(self._instantiate())
        return self

    def _instantiate(self) -> str:
        modules: dict[str, list[str]] = {}
        for module, name, _, _ in self.image.imports:
            modules.setdefault(module, []).append(f"{name!r}: {self.imports[f'{module}.{name}']}")
        imports = ", ".join(f"{module!r}: {{{', '.join(names)}}}" for module, names in modules.items())
        return (
            f"import insitu\n{self.prelude}\n"
            f"rt = insitu.Runtime(heap=bytearray({self.heap}))\n"
            f"mod = rt.load({self.board.image.address})\n"
            f"inst = mod.instantiate(stack_size={self.stack}, imports={{{imports}}})\n"
        )

    def run(self, code: str, timeout: float = 60.0) -> bytes:
        """Run code on the device; its output. A trap or another error of insitu's becomes a RunError."""
        try:
            return self.link.run(code, timeout=timeout)
        except DeviceError as error:
            last = error.traceback.strip().splitlines()[-1]
            kind, _, text = last.partition(": ")
            if kind.endswith(("Trap", "LoadError", "LinkError", "OutOfHeap", "Error", "TypeError", "OverflowError")):
                raise RunError(f"trap: {text}" if kind.endswith("Trap") else text or kind) from None
            raise

    def invoke(self, name: str, arguments: list[int | float]) -> tuple[bytes, list[int | float]]:
        """Call an export: what was printed meanwhile, and its results."""
        passed = ", ".join(map(_literal, arguments))
        mark = "insitu-result:"
        output = self.run(f"r = getattr(inst.exports, {name!r})({passed})\nprint({mark!r} + repr(r))\n")
        printed, _, result = output.rpartition(mark.encode())
        value = _parse(result.decode().strip())
        return printed.replace(b"\r\n", b"\n"), value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _literal(value: int | float) -> str:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f"float({str(value)!r})"
    return repr(value)


def _parse(text: str) -> list[int | float]:
    """repr of None, a number or a tuple of numbers; MicroPython writes inf and nan bare."""
    if text == "None":
        return []
    tree = ast.parse(text.replace("-inf", "-1e999").replace("inf", "1e999"), mode="eval").body
    items = tree.elts if isinstance(tree, ast.Tuple) else [tree]
    return [float("nan") if isinstance(i, ast.Name) else ast.literal_eval(i) for i in items]


def format_value(value: int | float) -> str:
    """A result as wasmtime's command line prints it."""
    if isinstance(value, float) and value == int(value) if value == value and abs(value) != float("inf") else False:
        return str(int(value))
    return str(value)
