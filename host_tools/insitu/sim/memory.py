"""The simulated machine's memory: regions of host memory at simulated addresses, and viper's pointers to them."""

from __future__ import annotations

import ctypes
import mmap
import sys
from bisect import bisect_right, insort
from typing import Any, ClassVar, Literal, Protocol

from insitu.errors import InsituError

PAGE = 4096
# Where buffers that addressof() registers are put, each with unmapped pages around it.
_BUFFERS = 0x30000000
_BUFFERS_END = 0x40000000


class MemoryFault(InsituError):
    """An access by Python to an address where there is nothing, or a write to flash."""


class Region:
    """Consecutive bytes at a simulated address. Flash can be written by `view` only through Memory.program."""

    __slots__ = ("address", "end", "host", "items", "name", "raw", "view", "writable")

    def __init__(self, address: int, size: int, writable: bool) -> None:
        if address % PAGE or size % PAGE or size <= 0 or not 0 <= address <= (1 << 32) - size:
            raise MemoryFault(f"cannot map {size} bytes at 0x{address:08x}: both must be multiples of {PAGE}")
        mapping = mmap.mmap(-1, size)
        self.address = address
        self.end = address + size
        self.writable = writable
        self.name = "RAM" if writable else "flash"
        self.host = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self.raw = memoryview(mapping)
        self.view = self.raw if writable else self.raw.toreadonly()
        self.items = (self.view, self.view.cast("H"), self.view.cast("i"))  # bytes, halfwords, words

    def __lt__(self, other: Region) -> bool:
        return self.address < other.address

    def __str__(self) -> str:
        return f"{self.name} 0x{self.address:08x} to 0x{self.end - 1:08x}"


class Memory:
    """The regions of one machine."""

    def __init__(self) -> None:
        self._regions: list[Region] = []
        self._last: Region | None = None
        self._buffers: dict[int, tuple[Any, int]] = {}
        self._next_buffer = _BUFFERS

    @property
    def regions(self) -> tuple[Region, ...]:
        """All regions, in order of address."""
        return tuple(self._regions)

    def map(self, address: int, size: int, writable: bool) -> Region:
        """A new region, filled with zeros; MemoryFault where it would overlap another."""
        region = Region(address, size, writable)
        for other in self._regions:
            if region.address < other.end and other.address < region.end:
                raise MemoryFault(f"cannot map {region}: {other} is there")
        insort(self._regions, region)
        return region

    def unmap(self, address: int) -> Region:
        """Nothing is where that region was; views of it that somebody still has are of nothing."""
        region = self.region(address)
        self._regions.remove(region)
        self._last = None
        return region

    def find(self, address: int) -> Region | None:
        """The region that address lies in."""
        last = self._last
        if last is not None and last.address <= address < last.end:
            return last
        at = bisect_right(self._regions, address, key=lambda region: region.address) - 1
        if at < 0 or address >= self._regions[at].end:
            return None
        self._last = self._regions[at]
        return self._last

    def region(self, address: int, size: int = 1) -> Region:
        """The region that holds all of address and the size bytes from there on."""
        region = self.find(address)
        if region is None:
            raise MemoryFault(f"nothing is mapped at 0x{address & 0xFFFFFFFF:08x}")
        if address + size > region.end:
            raise MemoryFault(f"{size} bytes at 0x{address:08x} run past the end of {region}")
        return region

    def view(self, address: int, size: int) -> memoryview:
        """The bytes there, writable where they are RAM."""
        if size == 0:
            return memoryview(bytearray())
        region = self.region(address, size)
        start = address - region.address
        return region.view[start : start + size]

    def addressof(self, buffer: Any) -> int:
        """An address for a buffer. A view of simulated memory has one; the contents of any other is copied.

        The first time, RAM of its own is mapped, such that an access past the buffer's end (if its size is a
        multiple of 8) meets nothing; later calls give the same address. Writes there do not reach the buffer.
        """
        known = self._buffers.get(id(buffer))
        if known is not None:
            return known[1]
        at = self._simulated(buffer)
        return self._register(buffer) if at is None else at

    def known(self, buffer: Any) -> int | None:
        """The address that addressof has given to the buffer, if it has."""
        known = self._buffers.get(id(buffer))
        return known[1] if known is not None else self._simulated(buffer)

    def map_buffer(self, size: int, writable: bool = True) -> int:
        """Memory of its own for size bytes, guarded on both sides. MemoryError where no address is left."""
        aligned = (size + 7) & ~7
        mapped = max(PAGE, (aligned + PAGE - 1) & -PAGE)
        start = self._next_buffer
        if start + mapped + PAGE > _BUFFERS_END:
            raise MemoryError(f"no address left for a buffer of {size} bytes")
        self._next_buffer = start + mapped + PAGE
        self.map(start, mapped, writable)
        return start + mapped - aligned

    def _register(self, buffer: Any) -> int:
        """What is read-only in Python may lie in flash on a device."""
        with memoryview(buffer) as source:
            address = self.map_buffer(source.nbytes, writable=not source.readonly)
            region = self.region(address)
            start = address - region.address
            region.raw[start : start + source.nbytes] = source.cast("B")
        self._buffers[id(buffer)] = (buffer, address)
        return address

    def _simulated(self, buffer: Any) -> int | None:
        if not isinstance(buffer, memoryview) or not isinstance(buffer.obj, mmap.mmap) or not buffer.nbytes:
            return None
        host = _host_address(buffer)
        for region in self._regions:
            if 0 <= host - region.host < region.end - region.address:
                return region.address + host - region.host
        return None


class _PyBuffer(ctypes.Structure):
    _fields_: ClassVar = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


def _host_address(view: memoryview) -> int:
    buffer = _PyBuffer()
    api = ctypes.pythonapi
    api.PyObject_GetBuffer(ctypes.py_object(view), ctypes.byref(buffer), 0)
    address = int(buffer.buf)
    api.PyBuffer_Release(ctypes.byref(buffer))
    return address


class Machine(Protocol):
    """What the pointers below need of the simulated machine."""

    @property
    def memory(self) -> Memory:
        """Its memory."""


_machine: Machine | None = None


def use(machine: Machine | None) -> None:
    """Pointers point into this machine's memory from now on."""
    global _machine
    _machine = machine


def used() -> Machine | None:
    """The machine of the last use()."""
    return _machine


def _memory() -> Memory:
    if _machine is None:
        raise MemoryFault("no simulated machine: call insitu.sim.install(Cpu(...)) first")
    return _machine.memory


_NOTHING = memoryview(b"")


class _Pointer:
    """viper's pointers: unchecked on a device, MemoryFault here. Of a buffer: its simulated RAM if it has any."""

    __slots__ = ("_address", "_index", "_items", "_region", "_writable")
    _shift: ClassVar[int]
    _format: ClassVar[Literal["B", "H", "i"]]

    def __init__(self, at: Any) -> None:
        if not isinstance(at, (int, _Pointer)):
            known = _memory().known(at) if _machine is not None else None
            if known is None:
                view = memoryview(at)
                self._items = view.cast("B").cast(self._format)
                self._writable = not view.readonly
                self._region = None
                self._index = self._address = 0
                return
            at = known
        self._address = address = int(at) & 0xFFFFFFFF
        self._region = region = _memory().find(address)
        if region is None or address & ((1 << self._shift) - 1):
            self._items, self._index, self._writable = _NOTHING, 0, False
        else:
            self._items = region.items[self._shift]
            self._index = address - region.address >> self._shift
            self._writable = region.writable

    def __int__(self) -> int:
        return self._address

    def __getitem__(self, i: int) -> int:
        k = self._index + i
        if 0 <= k < len(self._items):
            return self._items[k]
        return self._slow(i)[0]

    def __setitem__(self, i: int, value: int) -> None:
        k = self._index + i
        if not self._writable or not 0 <= k < len(self._items):
            items = self._slow(i)
            if items.readonly:
                raise MemoryFault(f"write to flash at 0x{self._address + (i << self._shift):08x}")
            items[0] = self._fit(value)
        else:
            self._items[k] = self._fit(value)

    def _slow(self, i: int) -> memoryview:
        """The item alone: outside the region that the pointer began in, or not aligned."""
        if self._address == 0 and self._region is None and len(self._items):
            raise MemoryFault(f"index {i} is outside a buffer of {len(self._items)} items")
        size = 1 << self._shift
        view = _memory().view((self._address + (i << self._shift)) & 0xFFFFFFFF, size)
        return view.cast(self._format)

    @staticmethod
    def _fit(value: int) -> int:
        raise NotImplementedError


class ptr8(_Pointer):
    """Bytes."""

    __slots__ = ()
    _shift = 0
    _format: ClassVar[Literal["B", "H", "i"]] = "B"

    @staticmethod
    def _fit(value: int) -> int:
        return value & 0xFF


class ptr16(_Pointer):
    """Halfwords, unsigned."""

    __slots__ = ()
    _shift = 1
    _format: ClassVar[Literal["B", "H", "i"]] = "H"

    @staticmethod
    def _fit(value: int) -> int:
        return value & 0xFFFF


class ptr32(_Pointer):
    """Words, which viper reads as signed."""

    __slots__ = ()
    _shift = 2
    _format: ClassVar[Literal["B", "H", "i"]] = "i"

    @staticmethod
    def _fit(value: int) -> int:
        return (value & 0x7FFFFFFF) - (value & 0x80000000)


def whole(value: Any) -> int:
    """The int that viper takes value for: an int, a bool, a pointer. TypeError for anything else."""
    if not isinstance(value, (int, _Pointer)):
        raise TypeError(f"can't convert {type(value).__name__} to int")
    return int(value)


def uint(value: Any) -> int:
    """viper's cast to an unsigned word. TypeError for what is no int."""
    return (value if type(value) is int else whole(value)) & 0xFFFFFFFF


if sys.byteorder != "little":
    raise ImportError("the simulated machine shares memory with the host, which must be little-endian")
