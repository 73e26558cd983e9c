"""The custom section "name" (appendix of the standard). A malformed one is no error: what was read counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from insitu.wasm.errors import Malformed
from insitu.wasm.reader import Reader

_MODULE, _FUNCTIONS, _LOCALS = 0, 1, 2
_DATA = 9  # of data segments: the proposal of an extended name section


@dataclass(slots=True)
class Names:
    """Attributes: module: its own; functions, data: by index; locals: by function and index, parameters
    first.
    """

    module: str = ""
    functions: dict[int, str] = field(default_factory=dict)
    data: dict[int, str] = field(default_factory=dict)
    locals: dict[int, dict[int, str]] = field(default_factory=dict)


def read_names(data: bytes) -> Names:
    """What the section's data names."""
    r, found = Reader(data), Names()
    try:
        while r.left:
            kind, size = r.byte(), r.unsigned()
            part = Reader(r.take(size))
            if kind == _MODULE:
                found.module = part.name()
            elif kind == _FUNCTIONS:
                found.functions = _map(part)
            elif kind == _LOCALS:
                found.locals = dict(part.vector(lambda part=part: (part.unsigned(), _map(part))))  # type: ignore[misc]
            elif kind == _DATA:
                found.data = _map(part)
    except Malformed:
        pass
    return found


def _map(part: Reader) -> dict[int, str]:
    return dict(part.vector(lambda: (part.unsigned(), part.name())))
