"""Functions that are written out where they are called, for a call of viper costs more than what they do.

    from ..inline import inline

    @inline
    def class_of(n):
        f = 0
        while n >> f > 7:
            f += 1
        return 4 * f + (n >> f)

What is taken: a function at the top of a file, with this decorator alone and plain parameters, that is called below
from functions of the same file, by its name, with all its arguments in order:

    c = class_of(n)    to a plain name
    class_of(n)        as a statement, what it returns is dropped
    ... sum(w) + 1     anywhere in an expression, if its body is one `return` and the arguments are names or constants

Its body returns in its last statement or nowhere, and has no scope of its own in it (a function, a comprehension) and
nothing that reaches out of it (global, yield, import). It may call inline functions above it, so never itself.

A parameter that the body does not assign, and whose argument is a name or a constant, is that argument, each time that
it is used: a name must mean the same until the function ends, so it is a local or what nobody changes. The others are
locals of the caller, as those of the function are, called FUNCTION__NAME. All else is refused by an InsituError with
file and line.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeGuard

from insitu.errors import InsituError

MARK = "inline"
_NOT_IN_IT = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp
    | ast.GeneratorExp | ast.Global | ast.Nonlocal | ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await | ast.Delete
    | ast.Import | ast.ImportFrom | ast.Try | ast.With | ast.Match | ast.Return
)  # fmt: skip


def expand(source: str, path: str) -> str:
    """source without inline functions; path: of its file, for errors."""
    return ast.unparse(expand_tree(ast.parse(source), path)) + "\n" if f"@{MARK}\n" in source else source


def expand_tree(tree: ast.Module, path: str) -> ast.Module:
    """A file's syntax tree without inline functions: these, and the import of their decorator, are not in it."""
    functions: dict[str, _Inline | None] = {node.name: None for node in tree.body if _is_marked(node)}
    body: list[ast.stmt] = []
    for node in tree.body:
        if _is_marked(node):
            functions[node.name] = _inline(node, functions, path)
        elif not (isinstance(node, ast.ImportFrom) and [alias.name for alias in node.names] == [MARK]):
            body.append(_Top(functions, path).visit(node))
    tree.body = body
    return ast.fix_missing_locations(tree)


def _is_marked(node: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    return isinstance(node, ast.FunctionDef) and any(_name(mark) == MARK for mark in node.decorator_list)


@dataclass(frozen=True, slots=True)
class _Inline:
    """A function, what it calls written out in it. assigned: names that its body gives a value to."""

    name: str
    parameters: list[str]
    body: list[ast.stmt]
    result: ast.expr | None
    assigned: set[str]

    def outside(self) -> set[str]:
        """Names in it that are not its own."""
        result = [] if self.result is None else [self.result]
        return _names([*self.body, *result]) - self.assigned - {*self.parameters}


def _inline(node: ast.FunctionDef, functions: dict[str, _Inline | None], path: str) -> _Inline:
    arguments = node.args
    others = [arguments.posonlyargs, arguments.kwonlyargs, arguments.defaults, arguments.vararg, arguments.kwarg]
    if len(node.decorator_list) > 1 or any(others) or functions[node.name]:
        _refuse(path, node, f"{node.name} has another decorator, an unusual parameter, or is there twice")
    body = _Function(functions, path, node).body()
    last = body.pop() if isinstance(body[-1], ast.Return) else None
    for inside in (inside for statement in body for inside in ast.walk(statement)):
        if isinstance(inside, _NOT_IN_IT):
            _refuse(path, inside, f"{node.name} has a {type(inside).__name__} in it")
    result = last.value if isinstance(last, ast.Return) else None
    return _Inline(node.name, [a.arg for a in arguments.args], body, result, _names(body, ast.Store))


def _refuse(path: str, node: ast.AST, why: str) -> NoReturn:
    raise InsituError(f"{path}:{getattr(node, 'lineno', 0)}: @{MARK}: {why}")


def _name(node: ast.AST | None) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _names(nodes: Iterable[ast.AST], context: type[ast.expr_context] = ast.expr_context) -> set[str]:
    every = (inside for node in nodes for inside in ast.walk(node))
    return {inside.id for inside in every if isinstance(inside, ast.Name) and isinstance(inside.ctx, context)}


class _Top(ast.NodeTransformer):
    """Outside of functions, where nothing is written out."""

    def __init__(self, functions: dict[str, _Inline | None], path: str) -> None:
        self.functions, self.path = functions, path

    own: frozenset[str] = frozenset()  # names of functions around

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if _is_marked(node):
            self.refuse(node, f"{node.name} is not at the top of the file")
        node.decorator_list = [self.visit(mark) for mark in node.decorator_list]
        node.args = self.visit(node.args)
        node.body = _Function(self.functions, self.path, node, self.own).body()
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self.functions:
            self.refuse(node, f"{node.id} can only be called, from a function")
        return node

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        _refuse(self.path, node, why)


class _Function(_Top):
    """A function that may call those above it."""

    def __init__(
        self,
        functions: dict[str, _Inline | None],
        path: str,
        node: ast.FunctionDef,
        around: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(functions, path)
        self.node = node
        arguments = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)}
        self.own = around | arguments | _names(node.body, ast.Store)

    def body(self) -> list[ast.stmt]:
        """Its statements, with what they call written out."""
        return [new for old in self.node.body for new in self._visited(old)]

    def _visited(self, node: ast.stmt) -> list[ast.stmt]:
        found = self.visit(node)
        return found if isinstance(found, list) else [found]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        function = self._called(node.value)
        if function is None:
            return self.generic_visit(node)
        return self._statements(function, node.value)[0] or [ast.copy_location(ast.Pass(), node)]

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        function = self._called(node.value)
        if function is None or len(node.targets) > 1 or _name(node.targets[0]) is None:
            return self.generic_visit(node)
        statements, result = self._statements(function, node.value)
        if result is None:
            self.refuse(node, f"{function.name} returns nothing")
        return [*statements, ast.copy_location(ast.Assign(node.targets, result), node)]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = self._called(node)
        if function is None:
            return self.generic_visit(node)
        if function.body or function.result is None:
            self.refuse(node, f"{function.name} is more than one return: call it as a statement, or to a name")
        statements, result = self._statements(function, node)
        if statements or result is None:
            self.refuse(node, f"{function.name} in an expression takes names and constants only")
        return result

    def _called(self, node: ast.AST) -> _Inline | None:
        name = _name(node.func) if isinstance(node, ast.Call) else None
        if name is None or name not in self.functions:
            return None
        function = self.functions[name]
        if function is None:
            self.refuse(node, f"{name} calls itself, or is called above its definition")
        return function

    def _statements(self, function: _Inline, call: ast.AST) -> tuple[list[ast.stmt], ast.expr | None]:
        """What a call becomes: statements, and the value after them."""
        assert isinstance(call, ast.Call)
        starred = any(isinstance(argument, ast.Starred) for argument in call.args)
        if call.keywords or starred or len(call.args) != len(function.parameters):
            self.refuse(call, f"{function.name} takes {len(function.parameters)} arguments, by their places")
        for name in sorted(function.outside() & self.own):
            self.refuse(call, f"{name} means something else in {function.name}, rename it in {self.node.name}")
        meant: dict[str, ast.expr] = {}
        found: list[ast.stmt] = []
        for name in [*function.parameters, *sorted(function.assigned)]:
            meant.setdefault(name, ast.Name(self._local(function, name, call)))
        for name, argument in zip(function.parameters, map(self.visit, call.args), strict=True):
            if isinstance(argument, ast.Name | ast.Constant) and name not in function.assigned:
                meant[name] = argument
            else:
                found.append(ast.copy_location(ast.Assign([_as(meant[name], ast.Store())], argument), call))
        rename = _Rename(meant)
        found += [rename.visit(copy.deepcopy(statement)) for statement in function.body]
        return found, None if function.result is None else rename.visit(copy.deepcopy(function.result))

    def _local(self, function: _Inline, name: str, call: ast.AST) -> str:
        local = f"{function.name}__{name}"
        if local in self.own:
            self.refuse(call, f"{self.node.name} has a name {local}, which a local of {function.name} gets")
        return local


def _as(name: ast.expr, context: ast.expr_context) -> ast.expr:
    made = copy.deepcopy(name)
    if isinstance(made, ast.Name):
        made.ctx = context
    return made


class _Rename(ast.NodeTransformer):
    """meant: what names stand for."""

    def __init__(self, meant: dict[str, ast.expr]) -> None:
        self.meant = meant

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(_as(self.meant[node.id], node.ctx), node) if node.id in self.meant else node
