"""What a program is given besides its calls: imports, other modules, and what WASI answers."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from insitu.commands.build import read_file
from insitu.errors import InsituError
from insitu.image.read import Image
from insitu.session import values

IMPORTS = "imports"  # what a file of functions defines: {module: {name: value}}, as instantiate takes it


@dataclass(frozen=True, slots=True)
class Given:
    """Nothing unless said.

    Attributes:
        functions: device code that defines `imports`, a dictionary as instantiate takes it; "": none.
        modules: names to import from and images that are linked under them, in this order, each to those before it.
        arguments, environment: of a WASI program.
        folders: of the board's file system that it may use: name in the program to path on the board.
    """

    functions: str = ""
    modules: tuple[tuple[str, bytes], ...] = ()
    arguments: tuple[str, ...] = ("app",)
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)


NOTHING = Given()


def read_functions(path: Path) -> str:
    """The source of a file of functions. Raises InsituError where it is none, or does not define `imports`."""
    source = read_file(path).decode("utf-8", "replace")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InsituError(f"{path}:{error.lineno}: {error.msg}") from None
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    if IMPORTS not in [target.id for target in targets if isinstance(target, ast.Name)]:
        example = f'{IMPORTS} = {{"MODULE": {{"NAME": function}}}}'
        raise InsituError(f"{path} does not define what it binds: {example}")
    return source


def bind(image: Image, bindings: Mapping[str, str]) -> dict[str, str]:
    """The device's expressions for what --import MOD.NAME=VALUE binds: a printer, or a function that gives a number.

    Raises InsituError for what is no function that the image imports, and for values that it cannot have.
    """
    types = {f"{module}.{name}": t for module, name, kind, t in image.imports if kind == "func"}
    for name in bindings:
        if name not in types:
            raise InsituError(f'no imported function "{name}"; there are: {", ".join(types) or "none"}')
    return {name: _function(types[name].partition(":")[2], text) for name, text in bindings.items()}


def _function(results: str, text: str) -> str:
    """An expression, the same for MicroPython and Python. results: the function's, as letters."""
    if text == "print":
        return printer(results)
    try:
        numbers = [values.parse(letter, text) for letter in results or "F"]
    except InsituError as error:
        raise InsituError(f'an import is bound to "print" or to a number: {error}') from None
    shown = [f"float({str(number)!r})" if isinstance(number, float) else str(number) for number in numbers]
    return f"lambda *_: {_result(shown)}"


def printer(results: str) -> str:
    """An expression for a function that prints what it is given and answers zeros."""
    zeros = ["None" if letter in "px" else "0" for letter in results]
    return f"lambda *a: (print(*a), {_result(zeros)})[1]" if zeros else "print"


def _result(shown: list[str]) -> str:
    return "None" if not shown else shown[0] if len(shown) == 1 else "(" + ", ".join(shown) + ")"
