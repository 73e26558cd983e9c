# The allocator: a two-level segregated fit that lives wholly inside the buffer it manages, as control.py says.
#
# Its functions take the buffer's address and give an offset, 0 or a negative fault. Each verifies what it is about to
# follow; none calls another, and none has a loop longer than 16 rounds (but init).
import micropython
from micropython import const

from ..inline import inline
from .control import CONTROL, FOREIGN, FREED, HEADS, LISTS, SMASHED, TRIES

_KEY = const(0x2A5)


# --- pieces: a header is read and written, a block found, linked and unlinked by these alone ---
#
# p, heads: the buffer as words and as halves; end, j: of control word 0; u: a block's unit, n: how many it has.


@inline
def _fault(u, kind):
    return 0 - (u << 3 | kind)


# Its lower 14 bits count.
@inline
def _check(u, w):
    return w * 5 + (w >> 9) + u * 37 + _KEY


# Without its check; -1, all bits, if that is wrong.
@inline
def _header(p, j, u):
    whole = p[(u << j) - 1]
    w = whole & 0x3FFFF
    if (whole >> 18 ^ _check(u, w)) & 0x3FFF:
        w = -1
    return w


@inline
def _set_header(p, j, u, w):
    p[(u << j) - 1] = w | _check(u, w) << 18


# Units of a block with size bytes.
@inline
def _units(j, size):
    n = (size + 3 + (4 << j)) >> (j + 2)
    if n < 2:
        n = 2
    return n


@inline
def _class(n):
    f = 0
    while (n >> f) > 7:
        f += 1
    return (f << 2) + (n >> f)


# List c is empty now and was not, or the other way round.
@inline
def _turn(p, c):
    i = 4 + (c >> 5)
    p[i] = p[i] ^ (1 << (c & 31))


# The first list from c on that is not empty; 0: none.
@inline
def _list_from(p, c):
    b = 0
    if c < 32:
        b = p[4] >> c
    if b == 0:
        if c < 32:
            c = 32
        b = p[5] >> (c - 32)
    if b == 0:
        c = 0
    else:
        if (b & 0xFFFF) == 0:
            b >>= 16
            c += 16
        if (b & 0xFF) == 0:
            b >>= 8
            c += 8
        if (b & 0xF) == 0:
            b >>= 4
            c += 4
        if (b & 3) == 0:
            b >>= 2
            c += 2
        c += (b & 1) ^ 1
    return c


# A block of n units or more among the first of list c; 0: none; end or more: the list is damaged.
@inline
def _first_fit(p, heads, end, j, c, n):
    u = heads[HEADS + c]
    t = TRIES
    while u and u < end and ((p[(u << j) - 1] >> 2) & 0xFFFF) < n:
        u = p[u << j] & 0xFFFF
        t -= 1
        if t == 0:
            u = 0
    return u


# Makes n units a free block, the first of its list. 0, or a fault.
@inline
def _link(p, heads, end, j, u, n):
    w = n << 2 | 1
    _set_header(p, j, u, w)
    p[((u + n) << j) - 2] = n
    c = _class(n)
    x = heads[HEADS + c]
    fault = 0
    if x >= end:
        fault = _fault(x, LISTS)
    else:
        if x:
            p[x << j] = (p[x << j] & 0xFFFF) | u << 16
        else:
            _turn(p, c)
        heads[HEADS + c] = u
        p[u << j] = x
    return fault


# Takes a free block out of list c. 0, or a fault.
@inline
def _unlink(p, heads, end, j, u, c):
    x = p[u << j] & 0xFFFF
    y = (p[u << j] >> 16) & 0xFFFF
    fault = 0
    if x >= end or y >= end:
        fault = _fault(u, LISTS)
    elif x and ((p[x << j] >> 16) & 0xFFFF) != u:
        fault = _fault(x, LISTS)
    else:
        if x:
            p[x << j] = (p[x << j] & 0xFFFF) | y << 16
        if y:
            p[y << j] = (p[y << j] & -0x10000) | x
        else:
            heads[HEADS + c] = x
            if x == 0:
                _turn(p, c)
    return fault


# --- what Heap calls ---


# All of it is one used block, which is to be freed.
@micropython.viper
def init(p: ptr32, geometry: int, first: int):
    end = geometry & 0xFFFF
    j = geometry >> 16
    i = (first << j) - 1
    while i:
        i -= 1
        p[i] = 0
    p[0] = geometry
    p[1] = (end - first << (j + 2)) - 4
    p[3] = 1
    n = end - first << 2
    _set_header(p, j, first, n)
    _set_header(p, j, end, 0)


# low: whether to take the low end of a free block that is larger, or the high one.
@micropython.viper
def alloc(p: ptr32, n: int, low: int) -> int:
    heads = ptr16(p)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    n = _units(j, n)
    if n >= end:
        return 0
    c = _class(n)
    u = _first_fit(p, heads, end, j, c, n)
    if u == 0:
        c += 1
        c = _list_from(p, c)
        if c == 0:
            return 0
        u = heads[HEADS + c]
    if u == 0 or u >= end:
        return _fault(u, LISTS)
    w = _header(p, j, u)
    m = w >> 2
    if (w & 3) != 1 or m < n or u + m > end:
        return _fault(u, SMASHED)
    fault = _unlink(p, heads, end, j, u, c)
    if fault:
        return fault
    before = 0
    m -= n
    if m >= 2:
        # the rest stays free
        v = u + n
        if low == 0:
            v = u
            u += m
            before = 2
        fault = _link(p, heads, end, j, v, m)
        if fault:
            return fault
        p[3] = p[3] + 1
    else:
        n += m
        low = 0
    if low == 0:
        # what comes next has no free block before it any more: bit 1 goes, and what it adds to the check
        i = ((u + n) << j) - 1
        p[i] = p[i] - (10 << 18 | 2)
    w = n << 2 | before
    _set_header(p, j, u, w)
    p[1] = p[1] + (n << (j + 2)) - 4
    if p[1] > p[2]:
        p[2] = p[1]
    return u << (j + 2)


# Frees a used block. Or, where size is not 0, gives it the free one after it, whole, if both together hold size bytes:
# 1, or 0 if they do not.
@micropython.viper
def free(p: ptr32, u: int, size: int) -> int:
    heads = ptr16(p)
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    if u <= CONTROL or u & (4 << j) - 1:
        return _fault(1, FOREIGN)
    u >>= j + 2
    if u >= end:
        return _fault(1, FOREIGN)
    w = _header(p, j, u)
    n = w >> 2
    if n < 2 or u + n > end:
        return _fault(u, FOREIGN)
    if w & 1:
        return _fault(u, FREED)
    had = n << (j + 2)
    # t: a free neighbour, and m: its units; v: what comes behind, and q: its header
    v = u + n
    q = _header(p, j, v)
    m = q >> 2
    if q & 2 or v + m > end:
        return _fault(v, SMASHED)
    t = v
    joins = q & 1
    if joins:
        v += m
        q = _header(p, j, v)
        if (q & 3) != 2:
            return _fault(v, SMASHED)
    if size and (joins == 0 or (n + m << (j + 2)) - 4 < size):
        return 0
    before = w & 2
    while joins or before:
        if joins == 0:
            # then the one before
            before = 0
            if size:
                break
            m = p[(u << j) - 2] & 0xFFFF
            t = u - m
            if t < 1:
                return _fault(u, SMASHED)
            i = _header(p, j, t)
            if i != (m << 2 | 1):
                return _fault(t, SMASHED)
        joins = 0
        c = _class(m)
        fault = _unlink(p, heads, end, j, t, c)
        if fault:
            return fault
        p[3] = p[3] - 1
        n += m
        if t > u:
            p[(t << j) - 1] = 0
        else:
            p[(u << j) - 1] = 0
            u = t
    if size:
        q ^= 2
        w = n << 2 | (w & 2)
        _set_header(p, j, u, w)
        p[1] = p[1] - had + (n << (j + 2))
        fault = 1
    else:
        q |= 2
        fault = _link(p, heads, end, j, u, n)
        if fault:
            return fault
        p[1] = p[1] - had + 4
    _set_header(p, j, v, q)
    return fault


# Cuts a used block in two used ones, the first holding size bytes, if both can be blocks: the second's
# offset, or 0.
@micropython.viper
def split(p: ptr32, u: int, n: int) -> int:
    j = p[0] >> 16
    u >>= j + 2
    w = p[(u << j) - 1] & 0x3FFFF
    n = _units(j, n)
    m = (w >> 2) - n
    if m < 2:
        return 0
    w = n << 2 | (w & 2)
    _set_header(p, j, u, w)
    u += n
    w = m << 2
    _set_header(p, j, u, w)
    p[1] = p[1] - 4
    p[3] = p[3] + 1
    return u << (j + 2)


# The payload bytes of the block at offset, +1 if it is free, +2 if the one before it is; -1: no block there.
@micropython.viper
def block(p: ptr32, u: int) -> int:
    end = p[0] & 0xFFFF
    j = p[0] >> 16
    if u <= CONTROL or u & (4 << j) - 1:
        return -1
    u >>= j + 2
    if u > end:
        return -1
    w = _header(p, j, u)
    if w < 0 or u + (w >> 2) > end:
        return -1
    if w >> 2 == 0:
        return w
    return (w >> 2 << (j + 2)) - 4 | (w & 3)


def class_of(n):
    c = _class(n)
    return c
