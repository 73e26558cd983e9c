"""The declaration file: which parameters are a pointer, and the one behind it the length of what it points at.

[exports.crc32]
data = "bytes"         # crc32(data, size): size is len(data)
[imports."uart.write"]
text = "str"           # in UTF-8
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from insitu.bind.interface import Function, Interface, Parameter
from insitu.errors import InsituError

KINDS = ("bytes", "str")
_PAIR = "ii"


def declared(interface: Interface, path: Path) -> Interface:
    """The interface with what the file at path says. Raises InsituError naming what does not fit."""
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        raise InsituError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InsituError(f"{path}: {error}") from None
    for name in table.keys() - {"exports", "imports"}:
        raise InsituError(f"{path}: there is no table {name!r}, but exports and imports")
    exports = {function.name: function for function in interface.exports}
    imports = {f"{module}.{f.name}": f for module, functions in interface.imports.items() for f in functions}
    exports = _paired(exports, table.get("exports", {}), f"{path}: exports")
    imports = _paired(imports, table.get("imports", {}), f"{path}: imports")
    return replace(
        interface,
        exports=tuple(exports.values()),
        imports={
            module: tuple(imports[f"{module}.{function.name}"] for function in functions)
            for module, functions in interface.imports.items()
        },
    )


def _paired(functions: Mapping[str, Function], table: Any, where: str) -> dict[str, Function]:
    found = dict(functions)
    if not isinstance(table, dict):
        raise InsituError(f"{where} is no table")
    for name, pairs in table.items():
        if name not in found:
            raise InsituError(f"{where}: there is no function {name!r}, but: {', '.join(found) or 'none'}")
        if not isinstance(pairs, dict):
            raise InsituError(f'{where}.{name} is no table, such as data = "bytes"')
        for parameter, kind in pairs.items():
            found[name] = _with_pair(found[name], parameter, kind, f"{where}.{name}.{parameter}")
    return found


def _with_pair(function: Function, name: str, kind: Any, where: str) -> Function:
    """The function with one parameter, of this name, for two of its own."""
    names = [parameter.name for parameter in function.parameters]
    if kind not in KINDS:
        raise InsituError(f"{where} is {kind!r}, it must be one of {', '.join(KINDS)}")
    if name not in names:
        raise InsituError(f"{where}: the parameters are {', '.join(names) or 'none'}")
    i = names.index(name)
    if "".join(parameter.letters for parameter in function.parameters[i : i + 2]) != _PAIR:
        raise InsituError(f"{where}: it and the parameter behind it must be i32, a pointer and a length")
    pair = Parameter(name, _PAIR, kind)
    return replace(function, parameters=(*function.parameters[:i], pair, *function.parameters[i + 2 :]))
