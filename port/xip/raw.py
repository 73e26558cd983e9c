# Words in RAM and flash, by base address and offset: a sum of both may need a big int, so it is made here.
import micropython


@micropython.viper
def peek(base: uint, offset: int) -> uint:
    return uint(ptr32(base + uint(offset))[0])


# A word that is an address, as a distance from base.
@micropython.viper
def peek_offset(base: uint, offset: int) -> int:
    return int(uint(ptr32(base + uint(offset))[0]) - base)


# The same from another base.
@micropython.viper
def distance(base: uint, offset: int, origin: uint) -> int:
    return int(uint(ptr32(base + uint(offset))[0]) - origin)


@micropython.viper
def poke(base: uint, offset: int, value: uint):
    p = ptr32(base + uint(offset))
    p[0] = int(value)


# The word becomes the address target + distance.
@micropython.viper
def poke_address(base: uint, offset: int, target: uint, distance: int):
    p = ptr32(base + uint(offset))
    p[0] = int(target + uint(distance))


@micropython.viper
def add(base: uint, offset: int) -> uint:
    return base + uint(offset)


# Words from tag on count as numbers from 0: sets the byte in held of each that is below count.
@micropython.viper
def mark(base: uint, offset: int, words: int, tag: uint, held: ptr8, count: int):
    p = ptr32(base + uint(offset))
    i = 0
    while i < words:
        n = int(uint(p[i]) - tag)
        if n >= 0 and n < count:
            held[n] = 1
        i += 1


# --- STRINGs: 16-bit length, then UTF-8 ---


@micropython.viper
def equal(base: uint, offset: int, text: ptr8, length: int) -> bool:
    s = ptr8(base + uint(offset))
    if (s[0] | s[1] << 8) != length:
        return False
    i = 0
    while i < length:
        if s[i + 2] != text[i]:
            return False
        i += 1
    return True


@micropython.viper
def string_length(base: uint, offset: int) -> int:
    s = ptr8(base + uint(offset))
    return s[0] | s[1] << 8


# --- checks of a loaded image ---


# CRC-32 as zlib has it, half a byte at a time: no table of 1 KiB.
@micropython.viper
def crc32(base: uint, offset: int, length: int, table: ptr32) -> uint:
    p = ptr8(base + uint(offset))
    crc = uint(0xFFFFFFFF)
    i = 0
    while i < length:
        crc = crc ^ uint(p[i])
        crc = uint(table[int(crc & uint(15))]) ^ (crc >> uint(4))
        crc = uint(table[int(crc & uint(15))]) ^ (crc >> uint(4))
        i += 1
    return crc ^ uint(0xFFFFFFFF)


# The signature word of a type string: FNV-1a, never 0.
@micropython.viper
def signature(text: ptr8, length: int) -> uint:
    word = uint(0x811C9DC5)
    i = 0
    while i < length:
        word = uint((word ^ uint(text[i])) * uint(0x01000193))
        i += 1
    return word if word else uint(1)


# The first of count records of stride bytes whose word is not low <= word < high, or has a bit of mask,
# unless it is exempt; -1: all are right.
@micropython.viper
def first_bad(base: uint, offset: int, count: int, stride: int, low: uint, high: uint, mask: uint, exempt: uint) -> int:
    i = 0
    while i < count:
        w = uint(ptr32(base + uint(offset))[0])
        if w != exempt and (w < low or w >= high or w & mask):
            return i
        offset += stride
        i += 1
    return -1


# The same for words that are offsets of STRINGs in an image of size bytes; 0 is none where optional.
@micropython.viper
def first_bad_string(base: uint, offset: int, count: int, stride: int, size: int, optional: int) -> int:
    i = 0
    while i < count:
        w = ptr32(base + uint(offset))[0]
        if w or not optional:
            if w < 0 or w & 1 or w > size - 2:
                return i
            s = ptr8(base + uint(w))
            if w + 2 + (s[0] | s[1] << 8) > size:
                return i
        offset += stride
        i += 1
    return -1


# The record with the highest word <= target, of those at offset, or -1: the function that code belongs to.
@micropython.viper
def nearest_below(base: uint, offset: int, count: int, stride: int, target: uint) -> int:
    best = -1
    top = uint(0)
    i = 0
    while i < count:
        w = uint(ptr32(base + uint(offset))[0])
        if w <= target and w >= top:
            top = w
            best = i
        offset += stride
        i += 1
    return best


# The first of count records of stride bytes whose first word is the offset of a STRING that is text, or -1.
@micropython.viper
def find_string(base: uint, offset: int, count: int, stride: int, text: ptr8, length: int) -> int:
    i = 0
    while i < count:
        s = ptr8(base + uint(ptr32(base + uint(offset))[0]))
        if (s[0] | s[1] << 8) == length:
            j = 0
            while j < length and s[j + 2] == text[j]:
                j += 1
            if j == length:
                return i
        offset += stride
        i += 1
    return -1
