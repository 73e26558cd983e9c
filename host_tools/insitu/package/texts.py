"""Texts of errors out of the package's own module: read from a file when an error is raised, they cost no RAM before.

Each string of a module costs a device with a ROM file system an object of 16 bytes and a place in the module's table.
"""

from __future__ import annotations

import ast

MODULE = "texts"
_LOOKUP = "_text"
# The n-th of the texts; the module that has them is forgotten again.
_CODE = f"""
def {_LOOKUP}(n):
    from . import {MODULE}
    at = 0
    for _ in range(n):
        at = {MODULE}.TEXTS.find("\\n", at) + 1
    found = {MODULE}.TEXTS[at:{MODULE}.TEXTS.find("\\n", at)]
    FORGET({MODULE})
    return found
"""


def take_out(source: str, forget: str) -> tuple[str, str]:
    """A module's source without the prose in what it raises, and that of the module MODULE, which has it.

    forget: what the first calls its function that lets a module go.
    """
    tree = ast.parse(source)
    out = _Out(_raising(tree))
    tree = out.visit(tree)
    if not out.texts:
        return source, ""
    tree.body += ast.parse(_CODE.replace("FORGET", forget)).body
    lines = "".join(f"{text}\n" for text in out.texts)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n", f"TEXTS = {lines!r}\n"


def _raising(tree: ast.Module) -> set[str]:
    """Functions and methods that do nothing but raise, and those that end in a call of such a one."""
    found: set[str] = set()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    while more := {node.name for node in functions if node.name not in found and _ends_in_raise(node, found)}:
        found |= more
    return found


def _ends_in_raise(node: ast.FunctionDef, known: set[str]) -> bool:
    simple = all(isinstance(statement, ast.Assign | ast.Raise | ast.Expr) for statement in node.body)
    last = node.body[-1]
    return simple and (isinstance(last, ast.Raise) or (isinstance(last, ast.Expr) and _called(last.value) in known))


def _called(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else None


class _Out(ast.NodeTransformer):
    """Attributes: texts: what was taken out, in order; raising: names of functions that only raise."""

    def __init__(self, raising: set[str]) -> None:
        self.raising = raising
        self.texts: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name in self.raising:
            self._all(node)
        else:
            self.generic_visit(node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self._all(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if _called(node.value) in self.raising:
            self._all(node)
        else:
            self.generic_visit(node)
        return node

    def _all(self, node: ast.AST) -> None:
        _Prose(self.texts).generic_visit(node)


class _Prose(ast.NodeTransformer):
    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, str) or " " not in node.value:
            return node
        if node.value not in self.texts:
            self.texts.append(node.value)
        return ast.Call(ast.Name(_LOOKUP, ast.Load()), [ast.Constant(self.texts.index(node.value))], [])
