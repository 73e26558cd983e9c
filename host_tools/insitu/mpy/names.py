"""Names that cost a device nothing: those that every MicroPython has in its list instead of the ones in a source.

Each name of a parameter or a function is a qstr, 6 to 20 bytes of RAM once it is loaded, and for good. Local variables
have none.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

# Of py/makeqstrdata.py's static_qstr_list, which .mpy files count on; without what is a builtin or a keyword.
_KNOWN = (
    "key", "end", "sep", "start", "stop", "step", "index", "count", "find", "format", "get", "items", "join", "keys",
    "lower", "main", "args", "insert", "append", "clear", "close", "copy", "extend", "pop", "read", "readinto",
    "readline", "remove", "replace", "reverse", "rfind", "send", "sort", "split", "strip", "throw", "update", "upper",
)  # fmt: skip


def shortened(module: ast.Module, keep: Collection[str] = ()) -> ast.Module:
    """The module with known names for the parameters of its functions and for its private functions and classes.

    No parameter of it may be given by name. keep: names that stay. The module is changed in place.
    """
    taken = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)} | set(keep)
    free = (name for name in _KNOWN if name not in taken)
    functions = [node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    private = [name for name in functions if name.startswith("_") and not name.startswith("__") and name not in keep]
    own = dict(zip(private, free, strict=False))
    left = [name for name in _KNOWN if name not in taken and name not in own.values()]
    _Rename(own, left, keep).visit(module)
    return module


class _Rename(ast.NodeTransformer):
    """names: what is called otherwise from here on; free: names for the parameters of each function."""

    def __init__(self, names: dict[str, str], free: list[str], keep: Collection[str]) -> None:
        self.names, self.free, self.keep = names, free, keep

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.names.get(node.name, node.name)
        parameters = [argument for argument in node.args.args if argument.arg not in (*self.keep, "self")]
        if any("asm_" in ast.unparse(decorator) for decorator in node.decorator_list):
            return node  # its parameters are registers
        inside = self.names | dict(zip((p.arg for p in parameters), self.free, strict=False))
        below = _Rename(inside, self.free[len(parameters) :], self.keep)
        for argument in parameters:
            argument.arg = inside[argument.arg]
        node.body = [below.visit(statement) for statement in node.body]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self.names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node
