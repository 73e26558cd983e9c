"""A ROM file system (extmod/vfs_rom.c of MicroPython) whose files begin where their use needs them to.

A record is its kind, the length of what follows, and that. Lengths of records around others are given in four bytes,
so that each file's place is known before what comes behind is; a file's own length is given in as many as bring its
data to a multiple of 8: a number may begin with bytes that say nothing, 0x80.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from insitu.errors import InsituError
from insitu.mpy.in_c import Linkage
from insitu.mpy.link import in_place
from insitu.mpy.read import read
from insitu.mpy.write import uint
from insitu.port.xip.inplace.blob import LOADER

ALIGNMENT = 8
MAGIC = b"\xd2\xcd\x31"
_DATA, _DIRECTORY, _FILE = 2, 4, 5
_AROUND = 4  # bytes of the length of a record with others in it
Convert = Callable[[str, bytes, int], bytes]
_Tree = dict[str, "bytes | _Tree"]


def linked(path: str, data: bytes, address: int, linkages: Mapping[str, Linkage] = MappingProxyType({})) -> bytes:
    """A Convert: a .mpy with machine code is linked to address, everything else stays as it is, so does the loader.

    linkages: of modules written in C, by path; those that have none stay as they are. Raises InsituError.
    """
    if not path.endswith(".mpy") or path.startswith(LOADER):
        return data
    module, linkage = read(data), linkages.get(path)
    if not module.has_native_code or (module.is_relocated and linkage is None):
        return data
    return in_place(data, address, linkage)


def build_romfs(files: Mapping[str, bytes], address: int, convert: Convert = linked) -> bytes:
    """A ROM file system that is to lie at address, a multiple of 8.

    files: by path; their order is kept, and folders come where their first file does. convert(path, data, address):
    what is written of a file whose data begins at address. Raises InsituError.
    """
    if address % ALIGNMENT:
        raise InsituError(f"{address:#010x}: a ROM file system begins at a multiple of {ALIGNMENT}")
    tree: _Tree = {}
    for path, data in files.items():
        *folders, name = PurePosixPath(path).parts
        folder = tree
        for part in folders:
            below = folder.setdefault(part, {})
            if isinstance(below, bytes):
                raise InsituError(f"{path}: {part} is a file already")
            folder = below
        folder[name] = data
    body = _records(tree, "", address + len(MAGIC) + _AROUND, convert)
    if (len(MAGIC) + _AROUND + len(body)) % 2:  # a file system's record has an even size
        body += bytes([1, 0x80, 0])
    return MAGIC + _length(len(body), _AROUND) + body


def _records(tree: _Tree, path: str, address: int, convert: Convert) -> bytes:
    out = b""
    for name, item in tree.items():
        encoded = uint(len(name.encode())) + name.encode()
        start = address + len(out) + 1 + _AROUND + len(encoded)
        if isinstance(item, bytes):
            inner, kind = _data(item, f"{path}{name}", start, convert), _FILE
        else:
            inner, kind = _records(item, f"{path}{name}/", start, convert), _DIRECTORY
        out += bytes([kind]) + _length(len(encoded + inner), _AROUND) + encoded + inner
    return out


def _data(data: bytes, path: str, address: int, convert: Convert) -> bytes:
    """The record of a file's data, to lie at address."""
    start = address + 1 + _AROUND
    start += -start % ALIGNMENT
    made = convert(path, data, start)
    return bytes([_DATA]) + _length(len(made), start - address - 1) + made


def _length(value: int, width: int) -> bytes:
    """A number of width bytes."""
    groups = [value >> 7 * i & 0x7F for i in reversed(range(width))]
    return bytes([*(0x80 | group for group in groups[:-1]), groups[-1]])
