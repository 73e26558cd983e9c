"""Markdown of Python modules, read and not imported: what has no underscore, with its types and docstring."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules(paths: Mapping[str, Path]) -> str:
    """paths: by the place of a module in `insitu`, "board/boards" or "aot/__init__"."""
    return "".join(_module(name, ast.parse(path.read_text())) for name, path in paths.items())


def _module(name: str, tree: ast.Module) -> str:
    dotted = ".".join(["insitu", *(part for part in name.split("/") if part != "__init__")])
    parts = [f"\n## `{dotted}`", _text(tree)]
    plain = [line for node in tree.body if not isinstance(node, ast.ClassDef) for line in _member(node)]
    classes = [_class(node) for node in tree.body if isinstance(node, ast.ClassDef) and _public(node.name)]
    return "\n\n".join(part for part in (*parts, "\n".join(plain), *classes) if part) + "\n"


def _class(node: ast.ClassDef) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    title = f"### class `{node.name}{f'({bases})' if bases else ''}`"
    members = [line for member in node.body for line in _member(member, node.name)]
    return "\n\n".join(part for part in (title, _text(node), "\n".join(members)) if part)


def _member(node: ast.stmt, owner: str = "") -> Iterator[str]:
    """A line for a variable, a name from elsewhere, or a function and its text. owner: the class that it is in."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) if _public(name):
            yield f"- `{name}: {ast.unparse(node.annotation)}`"
        case ast.ImportFrom():
            shown = [alias.name for alias in node.names if alias.asname == alias.name]  # as stubs export it
            yield from (f"- `{name}`, see `{node.module}`" for name in shown)
        case ast.FunctionDef() | ast.AsyncFunctionDef() if _public(node.name) and not _is_setter(node):
            text = textwrap.indent(_text(node), "  ").lstrip()
            yield f"- `{_head(node, owner)}`" + (f": {text}" if text else "")


def _public(name: str) -> bool:
    return not name.startswith("_") or name.endswith("__")


def _is_setter(node: _Function) -> bool:
    return any(isinstance(one, ast.Attribute) and one.attr == "setter" for one in node.decorator_list)


def _head(node: _Function, owner: str) -> str:
    """As it is called: a property without brackets, a method without self, __init__ by the name of its class."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(ast.unparse(one) == "property" for one in node.decorator_list):
        return node.name + result.replace(" -> ", ": ", 1)
    arguments = ast.unparse(node.args)
    if owner:
        arguments = arguments.removeprefix("self").removeprefix("cls").removeprefix(", ")
    return f"{owner}({arguments})" if node.name == "__init__" else f"{node.name}({arguments}){result}"


def _text(node: _Documented) -> str:
    return ast.get_docstring(node) or ""
