"""@inline: what is written out does what a call does, and what cannot be written out is refused by file and line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from insitu.board import boards
from insitu.errors import InsituError
from insitu.package import compile as package
from insitu.package.inline import expand

MARK = "from ..inline import inline\n"
PIECES = (
    MARK
    + """
@inline
def add(a, b):
    return a * 10 + b

@inline
def class_of(n):
    f = 0
    while n >> f > 7:
        f += 1
    return 4 * f + (n >> f)

@inline
def halved(n):
    n //= 2
    n = n + 1
    return n

@inline
def put(items, i, value):
    c = class_of(value)
    items[i] = add(c, value)

@inline
def swapped(a, b):
    c = a
    a = b
    b = c
    return add(a, b)
"""
)
CALLERS = [
    "c = class_of(n)\n    return c",
    "n = class_of(n)\n    return n",
    "c = class_of(n + m)\n    n = class_of(c)\n    return n, c, m",
    "return add(n, 3) + add(m, n)",
    "c = add(n + 1, m - 1)\n    return c",
    "m = halved(n)\n    return n, m",
    "n = halved(n)\n    m = halved(n)\n    return n, m",
    "items = [0, 0]\n    put(items, 1, n)\n    put(items, 0, m)\n    return items",
    "n = swapped(m, n)\n    return n, m",
    "n = swapped(n + 1, add(m, n))\n    return n, m",
    "while n > 9:\n        if n & 1:\n            n = class_of(n)\n        n = halved(n)\n    return n",
    "def inner(n):\n        n = halved(n)\n        return n\n    return inner(m), n",
    "halved(n)\n    return n",
    "if n:\n        add(n, m)\n    return n",
]


def _call(source: str, *args: Any) -> Any:
    names: dict[str, Any] = {"inline": lambda function: function}
    exec(source.replace(MARK, ""), names)
    return names["caller"](*args)


@pytest.mark.parametrize("body", CALLERS)
@given(n=st.integers(0, 1 << 18), m=st.integers(0, 99))
def test_does_what_a_call_does(body: str, n: int, m: int) -> None:
    source = f"{PIECES}\ndef caller(n, m):\n    {body}\n"
    assert _call(expand(source, "x.py"), n, m) == _call(source, n, m)


def test_nothing_is_left_of_the_functions() -> None:
    source = f"{PIECES}\ndef caller(n, m):\n    c = class_of(n)\n    return add(c, m)\n"
    assert expand(source, "x.py") == (
        "def caller(n, m):\n"
        "    class_of__f = 0\n"
        "    while n >> class_of__f > 7:\n"
        "        class_of__f += 1\n"
        "    c = 4 * class_of__f + (n >> class_of__f)\n"
        "    return c * 10 + m\n"
    )


def test_the_simulator_and_a_device_have_the_allocator_written_out() -> None:
    import insitu.sim  # noqa: F401
    from insitu.port.heap import fit

    shipped = package.device_sources(boards.load_board("rpi_pico"))
    assert "@micropython.viper\ndef _alloc(" in shipped["__init__.py"]
    assert not [name for name in vars(fit) if "header" in name or name == "inline"]
    assert not [name for name in shipped if "inline" in shipped[name] or name == "inline.py"]


def test_a_file_without_is_as_it_was() -> None:
    assert expand("# a comment\nx=1", "x.py") == "# a comment\nx=1"


REFUSED = [
    ("@inline\n@other\ndef f():\n    pass", 3, "f has another decorator, an unusual parameter, or is there twice"),
    ("@inline\ndef f(a=1):\n    pass", 2, "f has another decorator, an unusual parameter, or is there twice"),
    ("@inline\ndef f(*a):\n    pass", 2, "f has another decorator, an unusual parameter, or is there twice"),
    ("@inline\ndef f():\n    pass\n@inline\ndef f():\n    pass", 5, "f has another decorator"),
    ("@inline\ndef f(a):\n    if a:\n        return 1\n    return 2", 4, "f has a Return in it"),
    ("@inline\ndef f(a):\n    b = [i for i in a]\n    return b", 3, "f has a ListComp in it"),
    ("@inline\ndef f():\n    global x\n    x = 1", 3, "f has a Global in it"),
    ("@inline\ndef f(a):\n    f(a)\n", 3, "f calls itself, or is called above its definition"),
    ("def g():\n    f()\n@inline\ndef f():\n    pass", 2, "f calls itself, or is called above its definition"),
    ("@inline\ndef f(a):\n    return a\ndef g():\n    return f", 5, "f can only be called, from a function"),
    ("@inline\ndef f(a):\n    return a\nx = f(1)", 4, "f can only be called, from a function"),
    ("@inline\ndef f(a):\n    return a\ndef g():\n    return f()", 5, "f takes 1 arguments, by their places"),
    ("@inline\ndef f(a):\n    return a\ndef g():\n    return f(a=1)", 5, "f takes 1 arguments, by their places"),
    ("@inline\ndef f(a):\n    return a\ndef g(x):\n    return f(*x)", 5, "f takes 1 arguments, by their places"),
    (
        "@inline\ndef f(a):\n    return a\ndef g(x):\n    return f(x + 1)",
        5,
        "f in an expression takes names and constants",
    ),
    ("@inline\ndef f(a):\n    a += 1\n    return a\ndef g(x):\n    return f(x)", 6, "f is more than one return"),
    (
        "@inline\ndef f(a):\n    a += 1\n    return a\ndef g(x):\n    x.y = f(1)",
        6,
        "f is more than one return",
    ),
    ("@inline\ndef f(a):\n    a.x = 1\ndef g(x):\n    y = f(x)", 5, "f returns nothing"),
    ("@inline\ndef f(a):\n    a += K\n    return a\ndef g(K):\n    x = f(K)", 6, "K means something else in f"),
    ("@inline\ndef f(a):\n    a += K\ndef g(K):\n    def h():\n        f(1)", 6, "K means something else in f"),
    ("@inline\ndef f(a):\n    return a\ndef g(x=f(1)):\n    pass", 4, "f can only be called, from a function"),
    ("class C:\n    @inline\n    def f(a):\n        return a", 3, "f is not at the top of the file"),
    ("@inline\ndef f(a):\n    b = a\n    return b\ndef g(f__b):\n    x = f(1)", 6, "g has a name f__b"),
]


@pytest.mark.parametrize(("source", "line", "why"), REFUSED)
def test_is_refused(source: str, line: int, why: str) -> None:
    with pytest.raises(InsituError) as error:
        expand(source, "port/x.py")
    assert str(error.value).startswith(f"port/x.py:{line}: @inline: {why}")
