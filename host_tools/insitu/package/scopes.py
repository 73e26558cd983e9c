"""Which names in a syntax tree mean globals of the module, so that these can be given others."""

from __future__ import annotations

import ast
from collections.abc import Iterable

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def bound(body: Iterable[ast.AST]) -> set[str]:
    """Names that these nodes assign, import or define, but not what functions and classes among them do inside."""
    found: set[str] = set()
    taken_back: set[str] = set()
    left = list(body)
    while left:
        node = left.pop()
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Lambda | _COMPREHENSION):
            continue
        if isinstance(node, ast.Global):
            taken_back.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        left += ast.iter_child_nodes(node)
    return found - taken_back


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All of them, in order."""
    rest = [arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


class Scoped(ast.NodeTransformer):
    """Visits a module with the names in mind that are local where it is.

    Attributes: function_names, of the functions around, from the outside in; class_names, of the class whose body
    this is directly.
    """

    def __init__(self) -> None:
        self.function_names: list[set[str]] = []
        self.class_names: set[str] = set()

    def is_global(self, name: str) -> bool:
        """Whether it means a global here."""
        return name not in self.class_names and not any(name in names for names in self.function_names)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._outside(node)
        inside = {arg.arg for arg in parameters(node.args)} | bound(node.body)
        self._enter(inside, node)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        node.args.defaults = [self.visit(default) for default in node.args.defaults]
        self._enter({arg.arg for arg in parameters(node.args)}, node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [self.visit(base) for base in node.bases]
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        around, self.class_names = self.class_names, bound(node.body)
        node.body = self._visit_all(node.body)
        self.class_names = around
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node)

    def _comprehension(self, node: _COMPREHENSION) -> ast.AST:
        self.function_names.append(bound([generator.target for generator in node.generators]))
        self.generic_visit(node)
        self.function_names.pop()
        return node

    def _outside(self, node: Function) -> None:
        """What of a function is evaluated where it is defined."""
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.args.defaults = [self.visit(default) for default in node.args.defaults]

    def _enter(self, names: set[str], node: ast.FunctionDef | ast.Lambda) -> None:
        around, self.class_names = self.class_names, set()
        self.function_names.append(names)
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        else:
            node.body = self._visit_all(node.body) or [ast.Pass()]
        self.function_names.pop()
        self.class_names = around

    def _visit_all(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            new = self.visit(statement)
            if isinstance(new, list):
                found += new
            elif new is not None:
                found.append(new)
        return found
