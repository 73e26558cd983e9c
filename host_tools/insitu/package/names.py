"""What the files of port/ are called on a device: there all lie in one folder, for each further one costs RAM."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from insitu.errors import InsituError
from insitu.port.xip import layout

PORT = Path(layout.__file__).resolve().parent.parent
HOST, DEVICE = "insitu.port", "insitu"  # what the package is called


def paths() -> list[str]:
    """All files of port/, as paths below it."""
    return sorted(path.relative_to(PORT).as_posix() for path in PORT.rglob("*.py"))


def _parts(path: str) -> tuple[str, ...]:
    """The path of a module, whether it is a file or a folder's __init__."""
    parts = PurePosixPath(path).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def device_file(path: str) -> str:
    """A file's name in the device's folder: "store/memory.py" is "memory.py"; "__init__.py" is the package's own."""
    return (_parts(path) or ("__init__",))[-1] + ".py"


def device_files(files: Collection[str]) -> dict[str, str]:
    """Each file's name in the device's folder to its path. Raises InsituError if two have the same."""
    found: dict[str, str] = {}
    for path in files:
        other = found.setdefault(device_file(path), path)
        if other != path:
            raise InsituError(f"port/{other} and port/{path} would both be {device_file(path)} on a device: rename one")
    return found


def host_modules() -> dict[str, str]:
    """Each module's name on a device to its name here, the package itself apart."""
    return {
        f"{DEVICE}.{name.removesuffix('.py')}": ".".join([HOST, *_parts(path)])
        for name, path in device_files(paths()).items()
        if _parts(path)
    }


def flatten(source: str, path: str, files: Collection[str]) -> str:
    """source, that of the file of port/ at path, with its relative imports as a device has them.

    files: all that there are. Raises InsituError for an import of something else.
    """
    return _rewritten(source, _Imports(path, files))


def on_device(source: str) -> str:
    """Code that imports things `from insitu.port...` here, as a device takes it."""
    return _rewritten(source, _Imports(None, paths()))


def _rewritten(source: str, imports: _Imports) -> str:
    return ast.unparse(ast.fix_missing_locations(imports.visit(ast.parse(source)))) + "\n"


class _Imports(ast.NodeTransformer):
    """path: of the file of port/ whose relative imports become others; None: absolute ones of other code do."""

    def __init__(self, path: str | None, files: Collection[str]) -> None:
        self.path = path
        self.modules = {_parts(file) for file in files}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.AST]:
        source = self._source(node)
        if source is None:
            return node
        # each name is a module in a folder or something in a module
        modules = [alias for alias in node.names if (*source, alias.name) in self.modules]
        things = [alias for alias in node.names if alias not in modules]
        if things and source not in self.modules:
            where = f"port/{self.path}" if self.path else "device code"
            raise InsituError(f"{where}:{node.lineno}: port/{'/'.join(source)} has no {things[0].name}")
        found: list[ast.AST] = []
        if modules:
            found.append(self._import("", modules))
        if things:
            found.append(self._import(source[-1] if source else "", things))
        return found

    def _source(self, node: ast.ImportFrom) -> tuple[str, ...] | None:
        """What in port/ an import is from, None: it is of another package."""
        module = tuple(node.module.split(".")) if node.module else ()
        if self.path is None:
            host = tuple(HOST.split("."))
            return module[len(host) :] if module[: len(host)] == host else None
        return (*PurePosixPath(self.path).parts[: -node.level], *module) if node.level else None

    def _import(self, module: str, names: list[ast.alias]) -> ast.ImportFrom:
        if self.path is None:
            return ast.ImportFrom(f"{DEVICE}.{module}".rstrip("."), names, 0)
        return ast.ImportFrom(module or None, names, 1)
