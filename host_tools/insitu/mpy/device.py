"""The loader and its parts as a board gets them: flat modules, called LOADER or LOADER_PART."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from pathlib import Path

from insitu.mpy.cross import MARCH, compile_source
from insitu.mpy.fold import constants_of, fold
from insitu.mpy.names import shortened
from insitu.port.xip.inplace import blob

_FOLDER = Path(blob.__file__).parent
# The files of each module; "": the loader itself. Each further module would cost RAM for its names.
_PARTS = {
    "": ("loader",),
    "probe": ("ports", "assembler", "probe"),
    "ordinary": ("ordinary",),
    "moved": ("moved",),
    "in_c": ("in_c",),
}
_ASSEMBLER = {"a": "asm_thumb", "r": "asm_rv32"}  # by the first letter of mpy-cross's name of the CPU


@functools.cache
def loader_files(target: str) -> Mapping[str, bytes]:
    """The .mpy files, by name, that linked modules need on a board of the target."""
    march = MARCH[target]
    made = {}
    for part, names in _PARTS.items():
        module = f"{blob.LOADER}_{part}" if part else blob.LOADER
        paths = [_FOLDER / f"{_ASSEMBLER[march[0]] if name == 'assembler' else name}.py" for name in names]
        made[f"{module}.mpy"] = compile_source(_merged(paths), march, f"{module}.py", "-O3")
    return made


def _merged(paths: list[Path]) -> str:
    """One module of several files: they import nothing from each other any more, and fold their constants."""
    known = {"blob": constants_of((_FOLDER / "blob.py").read_text())}
    body: list[ast.stmt] = []
    for path in paths:
        body += [node for node in ast.parse(fold(path.read_text(), known)).body if not _needless(node)]
    return ast.unparse(shortened(ast.Module(body, [])))


def _needless(node: ast.stmt) -> bool:
    """An import of what is in the same module, or of const, which the compiler knows by itself."""
    return isinstance(node, ast.ImportFrom) and (node.level > 0 or [alias.name for alias in node.names] == ["const"])
