"""A memory of which only a window, [low, high), lies in RAM: at the instance pointer, as a fixed one does.

An access in the window is one comparison with a constant; of a difference where low is not 0, which costs code. Any
other goes to a cold block, and there to the image's far routine (stubs/far_*.S), which finds the page that holds the
address, and comes back with the value. It also serves accesses that lie in the window after all: the comparison in line
is the same for all small offsets of an address, so that LLVM makes it once, and is coarse near the window's end.

The routine checks the bounds; that it is called with the instance pointer, and that it keeps all registers but its
result's, is what contract/ and stand_ins.py see to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot import far_calls
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from insitu.aot.function import FunctionBuilder
    from insitu.aot.two_paths import TwoPaths

_REACH = 64  # what lies so far from an address, offset and width, shares its check
_SPAN = _REACH - 8  # offsets that share one
OFFSETS = 48  # so many from 0 on have an entry of their own in the far routine, for each kind of access
PAGE = 128  # bytes of a far page, unless another size is asked for
PAGES = tuple(1 << shift for shift in range(layout.FAR_LEAST_SHIFT, layout.FAR_MOST_SHIFT + 1))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: addresses low to high - 1 are to be fast. Attributes: page: bytes of a far page, of PAGES."""

    low: int
    high: int
    page: int = PAGE

    def __str__(self) -> str:
        return f"{self.low}:{self.high}" if self.low else str(self.high)


def parse(text: str) -> Wanted:
    """SIZE or LOW:HIGH. Raises ValueError."""
    low, colon, high = text.rpartition(":")
    found = Wanted(int(low, 0) if colon else 0, int(high, 0))
    if found.low < 0 or found.high < found.low + bool(colon):
        raise ValueError(f"{text!r}: the window ends before it begins")
    return found


@dataclass(frozen=True, slots=True)
class Far:
    """What a far routine is for. Attributes: bytes of a far page, and of what the memory grows by."""

    page: int
    unit: int

    @property
    def ends_inside(self) -> bool:
        """Whether the memory may end in the middle of a far page."""
        return self.unit < self.page


def grain(n: int) -> int:
    """The power of two that n has less than 256 of: multiples of it Thumb's CMP holds (ARMv7-M ARM, A5.3.2)."""
    return 1 << max(n.bit_length() - 8, 0)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a memory that RAM at the instance pointer backs.

    Attributes:
        low, high: its first address and the one behind it, multiples of page.
        near: bytes of it, from low on, that are to be fast.
        page: bytes of a far page.
    """

    low: int
    high: int
    near: int
    page: int = PAGE

    @property
    def size(self) -> int:
        """Bytes."""
        return self.high - self.low

    def highest(self, offset: int, width: int) -> int:
        """The highest address, from low on, of which an access is known to lie in the window; -1: there is none.

        It is the same for offsets near one another, so that LLVM compares once, and coarse near the window's end.
        """
        span = offset // _SPAN * _SPAN
        wanted, most = self.near - 1 - span, self.size - span - _REACH
        if most < 0:
            return max(self.size - offset - width, -1)
        up, down = grain(max(wanted, 0)), grain(most)
        return min(-(-max(wanted, 0) // up) * up, most // down * down)


def plan(wanted: Wanted | int, memory_size: int) -> Window:
    """The window in which what is wanted is fast, inside of what the memory has at first. An int: so many from 0 on."""
    if isinstance(wanted, int):
        wanted = Wanted(0, wanted)
    page = wanted.page
    low, most = wanted.low // page * page, memory_size // page * page
    if wanted.high <= low or low + _REACH > most:
        return Window(0, 0, 0, page)
    near = min(wanted.high, most) - low
    high = wanted.high + grain(near) - 1 + _REACH
    return Window(low, min(-(-high // page) * page, most), near, page)


def _window(f: FunctionBuilder) -> Window:
    window = f.plan.memory.window
    assert window is not None
    return window


def _from_low(f: FunctionBuilder, address: str, offset: int) -> tuple[str, int]:
    """The same place from the window's begin: a difference that wraps for what lies below it, and an offset."""
    low = _window(f).low
    if not low or offset > low:  # then it lies above low, unless the sum wraps, which no address that is near does
        return address, offset - low
    less = low if offset <= _REACH else low - offset
    place = f.value(f"sub i32 {address}, {less}")
    f.ranges.note_difference(place, address, str(less))
    return place, offset if offset <= _REACH else 0


def _near(f: TwoPaths, address: str, offset: int, width: int) -> str:
    """Go on where the access lies in the window, and so in memory; elsewhere the slow path does. invariant: far-memory.

    Gives a pointer to its place.
    """
    window, (place, beyond) = _window(f), _from_low(f, address, offset)
    if not f.implied(place, window.size - beyond - width):
        highest = window.highest(beyond, width)
        if highest < 0:
            f.leave_unless("false")
        else:
            f.leave_unless(f.value(f"icmp ule i32 {place}, {highest}"))
            f.note_near(place, highest)
    return _pointer(f, place, _signed(beyond))


def _pointer(f: FunctionBuilder, address: str, offset: int) -> str:
    """address and offset: from the window's begin."""
    pointer = f.value(f"getelementptr i8, ptr %inst, i32 {address}")
    return f.value(f"getelementptr i8, ptr {pointer}, i32 {offset}") if offset else pointer


def _signed(offset: int) -> int:
    return offset - (1 << 32) if offset >> 31 else offset


def _far(f: FunctionBuilder, kind: str, address: str, offset: int, value: str = "") -> str:
    """The text of a far call. A sum that does not fit into 32 bits becomes the highest, which no memory has."""
    if offset >= OFFSETS:
        address, offset = f.value(f"call i32 @llvm.uadd.sat.i32(i32 {address}, i32 {_signed(offset)})"), 0
    return far_calls.call(f.plan.target, kind, offset, address, value)


def _bits(ir_type: str) -> str:
    return {"float": "i32", "double": "i64"}.get(ir_type, ir_type)


def emit_load(
    f: TwoPaths,
    row: tuple[str, int, str, str],
    address: str,
    offset: int,
    near: Callable[[str], str],
) -> None:
    """A load. row: memory.LOADS'; near: emits that of the window, at a pointer, and gives what memory has there."""
    memory_type, width, conversion, result = row
    if f.slow:
        f.push(result, _far_load(f, row, address, offset))
        return
    loaded = near(_near(f, address, offset, width))
    if conversion:
        loaded = f.value(f"{conversion} {memory_type} {loaded} to {result}")
    f.push(result, loaded)


def _far_load(f: FunctionBuilder, row: tuple[str, int, str, str], address: str, offset: int) -> str:
    _, width, conversion, result = row
    sign = "" if width >= 4 else "s" if conversion == "sext" else "u"
    ir_type = "i64" if width == 8 else "i32"
    value = f.value(_far(f, f"l{8 * width}{sign}", address, offset))
    if conversion and result == "i64":
        return f.value(f"{conversion} i32 {value} to i64")
    return value if ir_type == result else f.value(f"bitcast {ir_type} {value} to {result}")


def emit_store(
    f: TwoPaths,
    row: tuple[str, int, str],
    address: str,
    offset: int,
    value: str,
    near: Callable[[str], None],
) -> None:
    """A store. row: memory.STORES'; near: emits that of the window, at a pointer."""
    _, width, _ = row
    if f.slow:
        _far_store(f, row, address, offset, value)
        return
    near(_near(f, address, offset, width))


def _far_store(f: FunctionBuilder, row: tuple[str, int, str], address: str, offset: int, value: str) -> None:
    _, width, value_type = row
    ir_type, passed = _bits(value_type), value
    if ir_type != value_type:
        passed = f.value(f"bitcast {value_type} {value} to {ir_type}")
    if ir_type == "i64" and width < 8:
        passed = f.value(f"trunc i64 {passed} to i32")
    f.line(_far(f, f"s{8 * width}", address, offset, passed))


# --- bulk instructions: in the window as elsewhere, otherwise the runtime's, which checks the bounds ---


def _inside(f: FunctionBuilder, address: str, length: str) -> str:
    """address: from the window's begin."""
    size = _window(f).size
    short = f.value(f"icmp ule i32 {length}, {size}")
    low = f.value(f"icmp ule i32 {address}, {f.value(f'sub i32 {size}, {length}')}")
    return f.value(f"and i1 {short}, {low}")


def _or_request(f: FunctionBuilder, inside: str, request: int, arguments: list[str]) -> str:
    """Go on where inside holds; the name of the block that both ways lead to."""
    warm, cold, end = f.name("near"), f.name("far"), f.name("b")
    f.line(f"br i1 {inside}, label %{warm}, label %{cold}")
    f.start_block(cold)
    f.request(request, 0, [("i32", argument) for argument in arguments])
    f.line(f"br label %{end}")
    f.start_block(warm)
    return end


def emit_fill(f: FunctionBuilder, destination: str, value: str, length: str) -> None:
    """memory.fill."""
    place, _ = _from_low(f, destination, 0)
    inside = _inside(f, place, length)
    end = _or_request(f, inside, layout.REQUEST_MEMORY_FILL, [destination, value, length])
    byte, to = f.value(f"trunc i32 {value} to i8"), _pointer(f, place, 0)
    f.line(f"call void @llvm.memset.p0.i32(ptr align 1 {to}, i8 {byte}, i32 {length}, i1 false)")
    f.line(f"br label %{end}")
    f.start_block(end)


def emit_copy(f: FunctionBuilder, destination: str, source: str, length: str) -> None:
    """memory.copy."""
    (to_place, _), (of_place, _) = _from_low(f, destination, 0), _from_low(f, source, 0)
    both = f.value(f"and i1 {_inside(f, to_place, length)}, {_inside(f, of_place, length)}")
    end = _or_request(f, both, layout.REQUEST_MEMORY_COPY, [destination, source, length])
    to, of = _pointer(f, to_place, 0), _pointer(f, of_place, 0)
    f.line(f"call void @llvm.memmove.p0.p0.i32(ptr align 1 {to}, ptr align 1 {of}, i32 {length}, i1 false)")
    f.line(f"br label %{end}")
    f.start_block(end)
