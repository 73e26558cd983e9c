# What the check of an image looks through. Loaded with it, and let go again.
import micropython


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
