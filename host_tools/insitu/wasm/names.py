"""The custom section "name" (appendix of the standard). A malformed one is no error: what was read counts."""

from __future__ import annotations

from insitu.wasm.errors import Malformed
from insitu.wasm.reader import Reader

_MODULE, _FUNCTIONS = 0, 1


def read_names(data: bytes) -> tuple[str, dict[int, str]]:
    """The module's name, and the functions' by index."""
    r = Reader(data)
    module_name, functions = "", dict[int, str]()
    try:
        while r.left:
            kind, size = r.byte(), r.unsigned()
            part = Reader(r.take(size))
            if kind == _MODULE:
                module_name = part.name()
            elif kind == _FUNCTIONS:
                functions = dict(part.vector(lambda part=part: (part.unsigned(), part.name())))  # type: ignore[misc]
    except Malformed:
        pass
    return module_name, functions
