"""A .mpy into one whose machine code, bytecode and raw codes are used where they lie in flash.

What comes out is a .mpy that MicroPython reads as usual, as far as it reads:

    prefix          header, names (three more), constants: as they were
    code            bytecode: import the loader, have it bind the maker, call what comes of that
      maker         bytecode that makes a function of its first child: the last that MicroPython reads
    0 to 3 bytes
    the blob        see blob.py; the ordinary code, aligned, and its raw codes. Instead of it, apart: the trailer alone
    3 to 0 bytes
    trailer         size of the prefix, place of the blob in the file (0: it is apart), a word each

The loader (port/xip/inplace/loader.py) stores the address of the blob's tables into the maker, so that the maker's
child is the body. Without the loader's help, the prefix and the blob's section are the ordinary .mpy.
"""

from __future__ import annotations

import struct

from insitu.errors import InsituError
from insitu.mpy import blob
from insitu.mpy.in_c import Linkage
from insitu.mpy.read import BYTECODE, Module, RawCode, read
from insitu.mpy.write import prefix, raw_code, uint
from insitu.port.xip.inplace.blob import LOADER

# What the code around the body names, behind the module's own qstrs.
NAMES = (LOADER, "bind", "globals")
_LOADER, _BIND, _GLOBALS = range(3)

# py/bc0.h: MP_BC_*
_LOAD_NAME, _LOAD_METHOD, _STORE_NAME, _IMPORT_NAME = 0x11, 0x14, 0x16, 0x1B
_SMALL_INT, _SMALL_INT_0, _NONE = 0x22, 0x80, 0x51
_MAKE_FUNCTION, _CALL_FUNCTION, _CALL_METHOD = 0x32, 0x34, 0x36
_POP, _RETURN = 0x59, 0x63


def in_place(data: bytes, address: int, linkage: Linkage | None = None) -> bytes:
    """The module for use in place, when the file's first byte lies at address.

    Its size is the same at each address. linkage: what a module written in C is linked to. Raises MpyError, and
    InsituError for code in C that cannot be linked.
    """
    module = _checked(data, linkage)
    head, outer = prefix(module, *NAMES), _ordinary(module)
    start = head + raw_code(_linked(module, blob.tag(outer), 0))
    gap = -(address + len(start)) % blob.ALIGNMENT
    made = start + bytes(gap) + blob.build(outer, address + len(start) + gap, linkage)
    made += bytes(blob.ALIGNMENT - 1 - gap)
    return made + struct.pack("<II", len(head), len(start) + gap)


def apart(data: bytes, address: int, linkage: Linkage | None = None) -> tuple[bytes, bytes]:
    """(a small .mpy for any file system, its blob, which is to lie at address in flash, a multiple of 4).

    For firmware without ROM file systems: names and constants are in RAM as ever, code and bytecode in flash. Raises
    as in_place does.
    """
    if address % blob.ALIGNMENT:
        raise InsituError(f"{address:#010x}: code that lies apart begins at a multiple of {blob.ALIGNMENT}")
    module = _checked(data, linkage)
    head, outer = prefix(module, *NAMES), _ordinary(module)
    start = head + raw_code(_linked(module, blob.tag(outer), address >> 2))
    return start + struct.pack("<II", len(head), 0), blob.build(outer, address, linkage)


def _checked(data: bytes, linkage: Linkage | None) -> Module:
    module = read(data)
    if module.is_relocated and linkage is None:
        raise InsituError("a native module written in C: it is linked to a firmware, and none is known")
    return module


def _ordinary(module: Module) -> RawCode:
    """Code of an ordinary .mpy that leaves the body's function as `bind`, and its own globals as `globals`."""
    q = _qstrs(module)
    code = bytes([_MAKE_FUNCTION, 0, _STORE_NAME]) + q[_BIND]
    code += bytes([_LOAD_NAME]) + q[_GLOBALS] + bytes([_CALL_FUNCTION, 0, _STORE_NAME]) + q[_GLOBALS]
    return _bytecode(1, code + bytes([_NONE, _RETURN]), module.body)


def _linked(module: Module, tag: int, place: int) -> RawCode:
    """The code around the body: __import__(LOADER).bind(globals(), maker, tag, place)()."""
    q = _qstrs(module)
    code = bytes([_SMALL_INT_0, _NONE, _IMPORT_NAME]) + q[_LOADER] + bytes([_LOAD_METHOD]) + q[_BIND]
    code += bytes([_LOAD_NAME]) + q[_GLOBALS] + bytes([_CALL_FUNCTION, 0, _MAKE_FUNCTION, 0])
    code += _small_int(tag) + _small_int(place) + bytes([_CALL_METHOD, 4, _CALL_FUNCTION, 0, _POP, _NONE, _RETURN])
    maker = _bytecode(1, bytes([_MAKE_FUNCTION, 0, _RETURN]))
    return _bytecode(6, code, maker)


def _qstrs(module: Module) -> list[bytes]:
    return [uint(len(module.qstrs) + i) for i in range(len(NAMES))]


def _small_int(value: int) -> bytes:
    """5 bytes, whatever the value; not negative, below 1 << 34."""
    groups = [value >> shift & 0x7F for shift in (28, 21, 14, 7, 0)]
    return bytes([_SMALL_INT, *(0x80 | group for group in groups[:-1]), groups[-1]])


def _bytecode(n_state: int, code: bytes, *children: RawCode) -> RawCode:
    """A function of bytecode without arguments; n_state: how high its stack gets."""
    signature, size, name = (n_state - 1) << 3, 1 << 1, 0  # py/bc.h: MP_BC_PRELUDE_*; the first qstr is the file's
    return RawCode(BYTECODE, bytes([signature, size, name]) + code, 0, 0, 0, 0, b"", 0, children, b"")
