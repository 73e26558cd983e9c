# WebAssembly's values in 8-byte slots, by the letters of a type string (TYPE_STRING in xip/layout.py).
import struct

_LETTERS = "iIfF"
_LOAD = ("<i", "<q", "<f", "<d")
_STORE = ("<I", "<Q", "<f", "<d")
_NAMES = ("i32", "i64", "f32", "f64")


def name_of(letter):
    k = _LETTERS.find(letter)
    return _NAMES[k] if k >= 0 else "funcref" if letter == "p" else "externref"


def _int(value, bits, what):
    if isinstance(value, bool):  # no int for MicroPython
        return int(value)
    if not isinstance(value, int):
        raise TypeError("%s must be an int (i%d), not %s" % (what, bits, type(value).__name__))
    if not -(1 << bits - 1) <= value < 1 << bits:
        raise OverflowError("%s: %d does not fit in i%d" % (what, value, bits))
    return value & (1 << bits) - 1


def _float(value, what):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("%s must be a float, not %s" % (what, type(value).__name__))
    return float(value)


def store(runtime, letter, view, at, value, what):
    k = _LETTERS.find(letter)
    if k < 0:
        struct.pack_into("<II", view, at, *runtime.reference_words(letter, value, what))
        return
    if k < 2:
        value = _int(value, 32 << k, what)
    elif isinstance(value, bytes) and len(value) == 4 << k - 2:  # its own, whatever Python's floats hold
        view[at : at + len(value)] = value
        return
    else:
        value = _float(value, what)
    struct.pack_into(_STORE[k], view, at, value)


def load(runtime, letter, view, at):
    k = _LETTERS.find(letter)
    if k < 0:
        return runtime.reference_value(letter, struct.unpack_from("<II", view, at))
    return struct.unpack_from(_LOAD[k], view, at)[0]


# Values as they are in slots.
def store_all(runtime, letters, values, what):
    words = bytearray(8 * len(letters))
    for i in range(len(letters)):
        store(runtime, letters[i], words, 8 * i, values[i], "%s %d" % (what, i + 1))
    return words


def load_all(runtime, letters, view):
    values = []
    for i in range(len(letters)):
        values.append(load(runtime, letters[i], view, 8 * i))
    return values


# What a call gives. letters: of the function's type.
def results(runtime, letters, words):
    values = load_all(runtime, letters[letters.find(":") + 1 :], words)
    return tuple(values) if len(values) > 1 else values[0] if values else None
