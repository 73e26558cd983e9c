"""A .mpy file of format 6 into its parts; py/persistentcode.c of MicroPython is the reference."""

from __future__ import annotations

from dataclasses import dataclass

from insitu.errors import InsituError

BYTECODE, NATIVE, VIPER, ASM = 2, 3, 4, 5  # py/emitglue.h: mp_raw_code_kind_t
_GENERATOR, _RELOCATED, RODATA, BSS = 0x01, 0x10, 0x20, 0x40  # py/runtime0.h: MP_SCOPE_FLAG_*
# py/persistentcode.h: MP_PERSISTENT_OBJ_*; those up to the ellipsis are a byte alone
_OBJECT_ELLIPSIS, _OBJECT_STR, _OBJECT_BYTES, _OBJECT_TUPLE = 4, 5, 6, 10
_HAS_ARCH_FLAGS = 0x40  # of header byte 2, from MicroPython 1.27 on
_RELOCATIONS_END = 0xFF


class MpyError(InsituError):
    """A file is no .mpy of format 6, or a damaged one."""


@dataclass(frozen=True, slots=True, eq=False)
class RawCode:
    """What mp_raw_code_t describes: a function, a class body, a module. Two are never equal.

    Attributes:
        kind: BYTECODE, NATIVE, VIPER or ASM; data: its bytecode or machine code.
        prelude_offset: NATIVE: of the prelude in data.
        scope_flags: VIPER, ASM; n_args, signature: ASM.
        rodata, bss: VIPER: what a module written in C has of them.
        relocations: VIPER: the same, as encoded.
    """

    kind: int
    data: bytes
    prelude_offset: int
    scope_flags: int
    n_args: int
    signature: int
    rodata: bytes
    bss: int
    children: tuple[RawCode, ...]
    relocations: bytes

    @property
    def is_generator(self) -> bool:
        """Calling it makes a generator."""
        if self.kind in (VIPER, ASM):
            return bool(self.scope_flags & _GENERATOR)
        return bool(_prelude_flags(self.data[self.prelude_offset :]) & _GENERATOR)

    def walk(self) -> list[RawCode]:
        """It and all below it, each before its children."""
        return [self, *(code for child in self.children for code in child.walk())]


@dataclass(frozen=True, slots=True)
class Module:
    """A .mpy file.

    Attributes: header: with the flags of the architecture; qstrs, objects: each as encoded; body: its outer code.
    """

    header: bytes
    qstrs: tuple[bytes, ...]
    objects: tuple[bytes, ...]
    body: RawCode

    @property
    def has_native_code(self) -> bool:
        """Whether any of its code is machine code, which MicroPython copies to RAM."""
        return any(code.kind != BYTECODE for code in self.body.walk())

    @property
    def is_relocated(self) -> bool:
        """Whether it was written in C: its code has a global offset table that MicroPython fills."""
        return any(code.relocations or code.rodata or code.bss for code in self.body.walk())


def read(data: bytes) -> Module:
    """The parts of a .mpy file. Raises MpyError."""
    if data[:2] != b"M\x06":
        raise MpyError("not a .mpy file of format 6, which MicroPython 1.19 and later read")
    try:
        return _Reader(data).module()
    except IndexError:
        raise MpyError(f"the .mpy file ends within its code, after {len(data)} bytes") from None


def uint_at(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, the highest first, and where what follows begins. Raises IndexError."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def _prelude_flags(data: bytes) -> int:
    """scope_flags of MP_BC_PRELUDE_SIG_DECODE (py/bc.h): a bit of each byte but the first."""
    flags = at = 0
    while data[at] & 0x80:
        at += 1
        flags |= ((data[at] & 0x40) >> 6) << at - 1
    return flags


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def module(self) -> Module:
        start = self.at
        header = self.take(4)
        if header[2] & _HAS_ARCH_FLAGS:
            self.uint()
            header = self.data[start : self.at]
        n_qstrs, n_objects = self.uint(), self.uint()
        qstrs = tuple(self.qstr() for _ in range(n_qstrs))
        objects = tuple(self.object() for _ in range(n_objects))
        module = Module(header, qstrs, objects, self.raw_code())
        if self.at != len(self.data):
            raise MpyError(f"{len(self.data) - self.at} bytes follow the module: it is linked to an address already")
        return module

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise IndexError
        self.at += count
        return self.data[self.at - count : self.at]

    def uint(self) -> int:
        value, self.at = uint_at(self.data, self.at)
        return value

    def qstr(self) -> bytes:
        start = self.at
        length = self.uint()
        if not length & 1:  # else it is a number of MicroPython's own list
            self.take((length >> 1) + 1)
        return self.data[start : self.at]

    def object(self) -> bytes:
        start = self.at
        (kind,) = self.take(1)
        if kind > _OBJECT_ELLIPSIS:
            length = self.uint()
            if kind == _OBJECT_TUPLE:
                for _ in range(length):
                    self.object()
            else:
                self.take(length + (kind in (_OBJECT_STR, _OBJECT_BYTES)))  # these end with a 0
        return self.data[start : self.at]

    def raw_code(self) -> RawCode:
        head = self.uint()
        kind, has_children, data = (head & 3) + BYTECODE, head & 4, self.take(head >> 3)
        prelude_offset = self.uint() if kind == NATIVE else 0
        flags = self.uint() if kind in (VIPER, ASM) else 0
        n_args, signature = (self.uint(), self.uint()) if kind == ASM else (0, 0)
        of_c = flags if kind == VIPER else 0
        rodata_size = self.uint() if of_c & RODATA else 0
        bss = self.uint() if of_c & BSS else 0
        rodata = self.take(rodata_size)
        children = tuple(self.raw_code() for _ in range(self.uint())) if has_children else ()
        relocations = self.relocations() if of_c & _RELOCATED else b""
        return RawCode(kind, data, prelude_offset, flags, n_args, signature, rodata, bss, children, relocations)

    def relocations(self) -> bytes:
        start = self.at
        while (operation := self.take(1)[0]) != _RELOCATIONS_END:
            if operation & 1:
                self.uint()  # the word that it begins with
            if operation >> 1 <= 5 and operation >> 1 & 1:
                self.uint()  # how many words
        return self.data[start : self.at]
