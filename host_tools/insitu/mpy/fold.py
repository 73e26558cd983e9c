"""Constants of one file folded into those that import them: on a device a name costs RAM, a number in code does not."""

from __future__ import annotations

import ast


def constants_of(source: str) -> dict[str, int]:
    """NAME = const(expression) lines of a constants module."""
    values: dict[str, int] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            call = node.value
            if isinstance(call.func, ast.Name) and call.func.id == "const":
                expression = compile(ast.Expression(call.args[0]), "constants", "eval")
                value = eval(expression, {"__builtins__": {}}, dict(values))
                if isinstance(value, int):
                    values[node.targets[0].id] = value
    return values


class _Rename(ast.NodeTransformer):
    """Names of folded constants get an underscore, so that mpy-cross keeps no global for them."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self.names:
            node.id = "_" + node.id
        return node


def fold(source: str, constants: dict[str, dict[str, int]]) -> str:
    """source with `from ..xip.layout import A` replaced by `_A = const(value)` and A by _A.

    constants: by the last part of the module's name, its names and values.
    """
    tree = ast.parse(source)
    body: list[ast.stmt] = []
    folded: set[str] = set()
    for node in tree.body:
        module = (node.module or "").rsplit(".", 1)[-1] if isinstance(node, ast.ImportFrom) else ""
        if not isinstance(node, ast.ImportFrom) or module not in constants:
            body.append(node)
            continue
        known = constants[module]
        for alias in node.names:
            if alias.name in known:
                folded.add(alias.name)
                body.append(ast.parse(f"{alias.name} = const({known[alias.name]})").body[0])
        rest = [alias for alias in node.names if alias.name not in known]
        if rest:
            body.append(ast.ImportFrom(node.module, rest, node.level))
    if folded and not any(isinstance(n, ast.ImportFrom) and n.module == "micropython" for n in body):
        body.insert(0, ast.parse("from micropython import const").body[0])
    tree.body = body
    return ast.unparse(ast.fix_missing_locations(_Rename(folded).visit(tree))) + "\n"
