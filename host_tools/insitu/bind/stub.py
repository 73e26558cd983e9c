"""The types of the module that `insitu bind` writes, for editors and type checkers."""

from __future__ import annotations

from insitu.bind.interface import Function, Interface, Parameter, identifier
from insitu.bind.python import START, STOP

_TYPES = {
    "i": "int",
    "I": "int",
    "f": "float",
    "F": "float",
    "p": "Callable[..., object] | None",
    "x": "object",
}
_PAIRS = {"bytes": "bytes | bytearray | memoryview", "str": "str"}  # what an export takes


def write(interface: Interface, title: str) -> str:
    """The stub's text. title: see python.write."""
    classes = {module: _class_name(name) for module, name in interface.python.items()}
    given = [f"{name}: {classes[module]}" for module, name in interface.python.items()]
    place = "source: int | str | bytes | memoryview = ..."
    parameters = [*given, place, "heap: bytearray | tuple[int, int] | None = ..."]
    parameters += ["wasi: Any = ..."] if interface.wasi else []
    start = "async " if interface.awaited else ""
    parts = [
        f'"""{title}"""\n\nfrom collections.abc import Awaitable, Callable\nfrom typing import Any, Protocol\n',
        "ADDRESS: int\nHEAP: int\nSTACK: int\nAPP_HEAP: int\ninstance: Any\n",
        *(
            _protocol(classes[module], module, functions, interface.awaited)
            for module, functions in interface.imports.items()
        ),
        f'def start({", ".join(parameters)}) -> None:\n    """{START}"""\n',
        f'def stop() -> None:\n    """{STOP}"""\n',
        *(f"{start}def {_head(function, False)}\n" for function in interface.exports),
    ]
    return "\n".join(parts)


def _class_name(name: str) -> str:
    return identifier("".join(part.capitalize() for part in name.split("_")) or "Imports", ("Any", "Protocol"))


def _protocol(name: str, module: str, functions: tuple[Function, ...], awaited: bool) -> str:
    methods = [f"    def {_head(function, True, awaited)}" for function in functions]
    return "\n".join([f"class {name}(Protocol):", f'    """What is imported from {module!r}."""', "", *methods, ""])


def _head(function: Function, method: bool, awaited: bool = False) -> str:
    """A method's parameters are taken by their places: whoever writes it may call them otherwise."""
    parameters = [f"{p.name}: {_type(p, method)}" for p in function.parameters]
    words = [*(["self"] if method else []), *parameters, *(["/"] if method and parameters else [])]
    indent = "    " * (1 + method)
    result = _result(function.results)
    given = f"{result} | Awaitable[{result}]" if awaited else result
    return f'{function.python}({", ".join(words)}) -> {given}:\n{indent}"""{function.signature}"""'


def _type(parameter: Parameter, given: bool) -> str:
    """given: to Python, which gets bytes of its own."""
    if parameter.type:
        return parameter.type if given else _PAIRS[parameter.type]
    return _TYPES[parameter.letters]


def _result(letters: str) -> str:
    types = [_TYPES[letter] for letter in letters]
    return "None" if not types else types[0] if len(types) == 1 else f"tuple[{', '.join(types)}]"
