"""The loader of port/ under CPython: functions marked @inline are written out, as they are for a device."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from insitu.package.inline import MARK, expand_tree

_PORT = "insitu.port."


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        """As the base's, which caches on disk what depends on the source alone."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        if f"@{MARK}\n".encode() not in source:
            return super().get_code(fullname)
        code: CodeType = compile(expand_tree(ast.parse(source), path), path, "exec", dont_inherit=True)
        return code


class _Finder:
    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of port/, None for another's."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname.startswith(_PORT) else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """From now on."""
    sys.meta_path.insert(0, _Finder)
