# Raw memory on a device.
import sys

import micropython
from uctypes import addressof as address_of  # noqa: F401
from uctypes import bytearray_at as view  # noqa: F401

_heaps = []


# What heap.py notes of the heaps that live in this machine's memory.
def heaps():
    return _heaps


# address and size: multiples of 4.
@micropython.viper
def _fill_words(address: uint, count: int, word: int):
    p = ptr32(address)
    i = 0
    while i < count:
        p[i] = word
        i += 1


@micropython.viper
def _fill_bytes(address: uint, size: int, byte: int):
    p = ptr8(address)
    i = 0
    while i < size:
        p[i] = byte
        i += 1


def fill(address, size, byte):
    if (address | size) & 3:
        _fill_bytes(address, size, byte)
    else:
        _fill_words(address, size >> 2, byte * 0x01010101)


# How many bytes from the first on are byte.
@micropython.viper
def count(address: uint, size: int, byte: int) -> int:
    p = ptr8(address)
    i = 0
    while i < size and p[i] == byte:
        i += 1
    return i


def forget_module(module):
    name = module.__name__
    if name in sys.modules:
        package, _, last = name.rpartition(".")
        del sys.modules[name]
        delattr(sys.modules[package], last)


def drop_module(module):
    forget_module(module)
    module.__dict__.clear()
