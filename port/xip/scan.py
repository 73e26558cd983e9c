# Words that are looked through seldom.
import micropython


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
