"""The device package as a board gets it: inline functions written out, constants folded, compiled by mpy-cross."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
from collections.abc import Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from insitu.aot import cache
from insitu.board.record import Board
from insitu.mpy.cross import MARCH, compile_source
from insitu.mpy.fold import constants_of, fold
from insitu.mpy.viper import as_viper
from insitu.mpy.words import in_words
from insitu.package import controller, texts
from insitu.package.inline import expand
from insitu.package.join import join
from insitu.package.names import PORT, device_files, flatten, paths
from insitu.port import PUBLIC
from insitu.sign import verifier

# Files of port/ that only one family of CPUs, boards whose flash is mapped, or the host alone, needs in the package.
_FAMILY_FILES = {
    "platform/cortex_m.py": "arm",
    "platform/rv32.py": "rv",
    "platform/mapped_flash.py": "mapped",
    "platform/simulated.py": "host",
    "inline.py": "host",
    "platform/from_host.py": "host",  # sent, see package/ram.py
    # sent when they are needed, see flash/device.py
    "platform/flash_controller.py": "host",
    "platform/flash_esp32.py": "host",
    "platform/flash_nvmc.py": "host",
    "platform/flash_rom.py": "host",
    "platform/flash_rp2.py": "host",
    "platform/flash_rp2040.py": "host",
    "platform/flash_rp2350.py": "host",
    "platform/flash_stm32.py": "host",
    "update/flash.py": "host",  # another on each board, see controller.py
}
# The loader of linked modules, which are not the package's alone: see insitu.mpy.device.
_APART = "xip/inplace/"
# What a program imports first; the rest comes when it is used.
_ROOTS = ("runtime.py", "instance.py")
_FLASH = "flash.py"
_UNPINNED = "VERIFIER = b''"  # of port/update/trust.py
_VERSION = f"__version__ = {importlib.metadata.version('insitu')!r}\n"
# mpy-cross 1.29 refuses jumps of asm_rv32 in a long file, by what happens to be in its memory.
_ALONE = {"rv32.py"}
# Their constants are folded into what imports them.
_CONSTANT_MODULES = ("heap/control.py", "platform/kinds.py", "xip/frames.py", "xip/layout.py")


def _wanted(name: str, board: Board) -> bool:
    if name.startswith(_APART):
        return False
    family = _FAMILY_FILES.get(name)
    if family == "mapped":
        return board.mapped
    return family is None or family == ("rv" if MARCH[board.target].startswith("rv") else "arm")


@functools.cache
def device_sources(board: Board) -> dict[str, str]:
    """Name in the package to source, as it is compiled, of every file that the board needs."""
    made = _joined(_separate_sources(board))
    made[_FLASH] = controller.images_flash(board)
    return made


def _joined(sources: dict[str, str]) -> dict[str, str]:
    whole = _closure(_ROOTS, sources) - _ALONE
    order = [name for name in import_order(sources) if name in whole]
    made = join(sources, order, [name for names in PUBLIC.values() for name in names])
    made["__init__.py"], made[f"{texts.MODULE}.py"] = texts.take_out(made["__init__.py"], "_forget_module")
    made["__init__.py"] += _VERSION
    return made


def _separate_sources(board: Board) -> dict[str, str]:
    """The same before files are joined."""
    files = paths()
    constants = {Path(path).stem: constants_of((PORT / path).read_text()) for path in _CONSTANT_MODULES}
    sources = {
        name: flatten(fold(expand((PORT / path).read_text(), f"port/{path}"), constants), path, files)
        for name, path in device_files(files).items()
        if _wanted(path, board)
    }
    sources["platform.py"] = _family(sources["platform.py"], sources)
    sources["__init__.py"] += _VERSION
    sources["trust.py"] = sources["trust.py"].replace(_UNPINNED, f"VERIFIER = {verifier.digest(board.target)!r}")
    return {name: text for name, text in sources.items() if Path(name).stem not in constants}


def _family(source: str, files: Collection[str]) -> str:
    """What of platform/__init__.py a package needs that has the files of one family of CPUs."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    return "".join(f"{ast.unparse(node)}\n" for node in imports if f"{node.module}.py" in files)


def compiled(board: Board) -> dict[str, bytes]:
    """Name in the package to its bytes, of every file that the board needs: .mpy, but the program for its flash.

    It takes seconds, so what was made is kept from process to process.
    """
    name = cache.key(b"", "package", board)
    if kept := cache.get(name):
        found: dict[str, bytes] = ast.literal_eval(kept.decode())
        return found
    made = _compiled(board)
    cache.put(name, repr(made).encode())
    return made


def _compiled(board: Board) -> dict[str, bytes]:
    sources = {**device_sources(board)}
    flash = sources.pop(_FLASH) if controller.is_programmed(board) else ""
    return compile_sources(board, sources) | ({_FLASH: flash.encode()} if flash else {})


def compile_sources(board: Board, sources: Mapping[str, str]) -> dict[str, bytes]:
    """The .mpy files, by name, of such files."""
    made = _compile_all(MARCH[board.target], tuple(sources.items()))
    return {str(Path(name).with_suffix(".mpy")): data for name, data in made.items()}


@functools.cache
def _compile_all(march: str, sources: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
    return {
        name: in_words(as_viper(compile_source(source, march, f"insitu/{name}", "-O3"))) for name, source in sources
    }


def import_order(sources: dict[str, str]) -> list[str]:
    """The files' names, each after all that importing it imports."""
    graph = {name: _imports(name, source, sources) for name, source in sources.items()}
    return list(TopologicalSorter(graph).static_order())


def _closure(roots: tuple[str, ...], sources: dict[str, str]) -> set[str]:
    """The roots and all that importing them imports."""
    found: set[str] = set()
    left = list(roots)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _imports(name, sources[name], sources)
    return found


def _imports(name: str, source: str, files: dict[str, str]) -> list[str]:
    """Files of the package that the one called name imports relatively, outside of functions."""
    found: list[str] = []
    for node in _outside_functions(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            found += [f"{module}.py" for module in ([node.module] if node.module else [n.name for n in node.names])]
    return sorted({other for other in found if other in files and other != name})


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _outside_functions(node)
