"""What a linked module has in flash beside its names and constants; port/xip/inplace/blob.py has the bytes."""

from __future__ import annotations

import struct
import zlib

from insitu.mpy import in_c
from insitu.mpy.read import ASM, BYTECODE, NATIVE, RawCode
from insitu.mpy.write import aligned
from insitu.port.xip.inplace.blob import BLOB_HEADER, FORMAT_VERSION, RECORD_SIZE, RECORD_SIZE_ASM

ALIGNMENT = 4  # of machine code: its literals are words
_TAG_BITS = 29  # a small int of MicroPython that is not negative, whatever its objects are


def build(outer: RawCode, address: int, linkage: in_c.Linkage | None) -> bytes:
    """The blob that is to lie at address, a multiple of 4; its size is the same at each.

    outer: code of an ordinary .mpy whose only child is the module's body. linkage: of a module written in C. Raises
    InsituError.
    """
    blob = bytearray(BLOB_HEADER)
    offsets = aligned(outer, blob, ALIGNMENT)
    places = {code: address + at for code, at in offsets.items()}
    section_size = len(blob) - BLOB_HEADER
    blob += bytes(-len(blob) % ALIGNMENT)
    of_c = len(blob) if linkage else 0
    if linkage:
        blob += in_c.relocate(offsets, blob, address, linkage)
    (body,) = outer.children
    codes, words_address = body.walk(), address + len(blob)
    tables, records = _words(body, codes, places, words_address)
    kinds = sum({1 << code.kind for code in codes})
    header = (tag(outer), address, kinds, section_size, words_address, len(tables), 4 * len(records), of_c)
    blob[:BLOB_HEADER] = struct.pack("<8I", *header)
    words = [*tables, *records]
    return bytes(blob) + struct.pack(f"<{len(words)}I", *words)


def tag(outer: RawCode) -> int:
    """By which a module knows its blob, wherever that lies."""
    section = bytearray(BLOB_HEADER)
    aligned(outer, section, ALIGNMENT)
    return zlib.crc32(section[BLOB_HEADER:], FORMAT_VERSION) & (1 << _TAG_BITS) - 1


def _words(
    body: RawCode, codes: list[RawCode], places: dict[RawCode, int], address: int
) -> tuple[list[int], list[int]]:
    """Tables of children, the first one the body's alone, and raw codes behind them; the tables lie at address."""
    sizes = [len(code.children) + (code.kind == NATIVE) if code.children else 0 for code in codes]
    starts = [address + 4 * (1 + sum(sizes[:i])) for i in range(len(codes))]
    record_sizes = [RECORD_SIZE_ASM if code.kind == ASM else RECORD_SIZE for code in codes]
    first_record = address + 4 * (1 + sum(sizes))
    at = {code: first_record + sum(record_sizes[:i]) for i, code in enumerate(codes)}
    tables, records = [at[body]], list[int]()
    for code, start in zip(codes, starts, strict=True):
        prelude = [places[code] + code.prelude_offset] if code.kind == NATIVE else []
        if code.children:
            tables += [at[child] for child in code.children] + prelude
        # A native function without children has its prelude's address in the place of a table.
        children = start if code.children else prelude[0] if prelude else 0
        # MicroPython asks only functions of Python whether they are generators (py/emitglue.c). Of others it is set:
        # 0x40000 alone is an address in the MPS2's heap, and a blob in RAM would keep what is there.
        of_python = code.kind in (BYTECODE, NATIVE)
        records += [code.kind << 16 | (code.is_generator or not of_python) << 24, places[code], children]
        if code.kind == ASM:
            signature = code.n_args | code.signature << 8
            records += [signature, 0, signature]
    return tables, records
