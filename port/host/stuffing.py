# Bytes of a telemetry frame behind each other in a buffer, with what must not go over the line escaped, and their CRC.
# state: two words, how many bytes wait and the CRC (zlib's, inverted) of the body so far.
import micropython
from micropython import const

from ..xip.frames import FRAME_END, FRAME_ESCAPE, FRAME_FLIP, FRAME_START0, FRAME_START1

ROOM = const(8)  # bytes that a word takes at most
_POLYNOMIAL = const(-306674912)  # 0xEDB88320, CRC-32's, bits reversed
_ETX = const(3)  # what a REPL gives a meaning to, or changes
_EOT = const(4)
_LF = const(10)
_CR = const(13)


@micropython.viper
def start(out: ptr8, state: ptr32, first: int, second: int):
    out[0] = first
    out[1] = second
    state[0] = 2
    state[1] = -1


# The lowest count bytes of value + more, the lowest first; count -4: of the CRC. The sum may be a big int, which would
# take memory, so it is made here.
@micropython.viper
def put(out: ptr8, state: ptr32, value: int, more: int, count: int):
    value += more
    at = state[0]
    crc = state[1]
    if count < 0:
        value = ~crc
        count = -count
    rest = 0x3FFFFFFF  # of a word that is shifted right by one: all but the sign
    rest = rest << 1 | 1
    while count > 0:
        byte = value & 255
        value >>= 8
        count -= 1
        crc ^= byte
        bit = 0
        while bit < 8:
            if crc & 1:
                crc = (crc >> 1 & rest) ^ _POLYNOMIAL
            else:
                crc = crc >> 1 & rest
            bit += 1
        if byte >= FRAME_END:
            escaped = byte == FRAME_START0 or byte == FRAME_START1 or byte == FRAME_END or byte == FRAME_ESCAPE
        else:
            escaped = byte == _ETX or byte == _EOT or byte == _LF or byte == _CR
        if escaped:
            out[at] = FRAME_ESCAPE
            at += 1
            byte ^= FRAME_FLIP
        out[at] = byte
        at += 1
    state[0] = at
    state[1] = crc


# The body of a frame without its CRC.
def unstuffed(sent):
    body = bytearray()
    flip = 0
    for byte in memoryview(sent)[2:-1]:
        if byte == FRAME_ESCAPE:
            flip = FRAME_FLIP
        else:
            body.append(byte ^ flip)
            flip = 0
    return bytes(body[:-4])
