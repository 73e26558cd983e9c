# Every kind of machine code that mpy-cross makes but the inline assembler's.
import micropython
from assembler import pc

LIMIT = 7


@micropython.viper
def total(data: ptr32, n: int) -> int:
    s = 0
    i = 0
    while i < n:
        s += data[i]
        i += 1
    return s


@micropython.viper
def unsigned(a: uint, b: uint) -> uint:
    return (a * b) ^ uint(0xDEADBEEF)


@micropython.viper
def through_globals(data, n: int) -> int:
    return int(total(data, n)) * int(LIMIT)


@micropython.viper
def objects(a, b):
    a.append(b)
    a.append("a string constant of some length")
    return a, 1.5, 12345678901234567890, (1, "t")


@micropython.viper
def writes(p: ptr8, n: int):
    for i in range(n):
        p[i] = i * 3


@micropython.viper
def viper_outer(n):
    def inner(x):
        return x

    return inner(n), inner


@micropython.viper
def viper_pc() -> uint:
    return uint(pc())


@micropython.native
def tries(f, log):
    try:
        try:
            return 10 // f
        finally:
            log.append("finally")
    except ZeroDivisionError as e:
        log.append(str(e))
        return -1
    finally:
        log.append("outer")


@micropython.native
def defaults(a, b=LIMIT, *args, c="see", **kw):
    return a, b, args, c, sorted(kw.items())


@micropython.native
def count(n):
    try:
        for i in range(n):
            got = yield i * i
            if got:
                yield got
    finally:
        yield "closed"


@micropython.native
def adder(n):
    step = n

    @micropython.native
    def add(x):
        nonlocal step
        step += 1
        return x + step

    return add


@micropython.native
def raises(n):
    if n:
        return raises(n - 1)
    raise ValueError("deep")


def bytecode_adder(n):
    @micropython.viper
    def add(x: int) -> int:
        return x + 3

    def plain(x):
        return x + n

    @micropython.native
    def native(x):
        return x + n

    return add, plain, native, lambda: [x + n for x in range(3)]


def plain(a, b=2):
    return [x for x in range(a) if x % b]


class Point:
    scale = 3

    def __init__(self, x):
        self.x = x

    @micropython.native
    def scaled(self, by=2):
        return self.x * by * self.scale

    @micropython.viper
    def add(self, other):
        self.x = int(self.x) + int(other)
        return self.x

    @staticmethod
    @micropython.viper
    def low(a: uint) -> uint:
        return a & uint(0xFFFF)

    @property
    @micropython.native
    def double(self):
        return self.x * 2

    @micropython.native
    def deep(self, n):
        return 0 if n == 0 else 1 + self.deep(n - 1)


def set_limit(n):
    global LIMIT
    LIMIT = n
