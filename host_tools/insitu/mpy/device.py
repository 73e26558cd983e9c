"""The loader and its parts as a board gets them: flat modules, called LOADER or LOADER_PART."""

from __future__ import annotations

import functools
from pathlib import Path

from insitu.mpy.cross import MARCH, compile_source
from insitu.package.compile import constants_of, fold
from insitu.port.xip.inplace import blob

_FOLDER = Path(blob.__file__).parent
# Device modules by part, and their sources; "" is the loader itself.
_PARTS = {"": "loader", "probe": "probe", "ports": "ports", "ordinary": "ordinary", "moved": "moved"}
_ASM = {"a": "asm_thumb", "r": "asm_rv32"}  # by the first letter of mpy-cross's name


@functools.cache
def loader_files(target: str) -> dict[str, bytes]:
    """The .mpy files, by name, that linked modules need on a board of the target."""
    march = MARCH[target]
    sources = _PARTS | {"asm": _ASM[march[0]]}
    known = {"blob": constants_of((_FOLDER / "blob.py").read_text())}
    names = {part: f"{blob.LOADER}_{part}" if part else blob.LOADER for part in sources}
    texts = {names[part]: fold((_FOLDER / f"{source}.py").read_text(), known) for part, source in sources.items()}
    return {f"{name}.mpy": compile_source(text, march, f"{name}.py") for name, text in texts.items()}
