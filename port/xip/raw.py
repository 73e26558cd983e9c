# Words in RAM and flash, by base address and offset: a sum of both may need a big int, so it is made here.
import micropython

from ..errors import LoadError
from ..platform import view


@micropython.viper
def peek(base: uint, offset: int) -> uint:
    return uint(ptr32(base + uint(offset))[0])


# A word that is an address, as a distance from base.
@micropython.viper
def peek_offset(base: uint, offset: int) -> int:
    return int(uint(ptr32(base + uint(offset))[0]) - base)


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


# --- STRINGs: 16-bit length, then UTF-8 ---


# A STRING as Python has it.
def string(base, offset):
    low, high = view(base + offset, 2)
    text = bytes(view(base + offset + 2, low | high << 8))
    try:
        return str(text, "utf-8")
    except UnicodeError:
        raise LoadError("the image is damaged: the name at 0x%x is not UTF-8" % offset)


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
