"""Modules that are valid or claim to be, and very large in one way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from insitu.wasm.write import sized, unsigned

from tests.hostile.worker import IMAGE, Worker


def _section(number: int, body: bytes) -> bytes:
    return bytes([number]) + sized(body)


def module(code: bytes, local_declarations: bytes = b"\0") -> bytes:
    """One memory, one function "f" without parameters that gives an i32: code and its end."""
    body = local_declarations + code + b"\x0b"
    head = _section(1, b"\1\x60\0\1\x7f") + _section(3, b"\1\0") + _section(5, b"\1\0\1") + _section(7, b"\1\1f\0\0")
    return b"\0asm\1\0\0\0" + head + _section(10, b"\1" + sized(body))


ONE_LOCAL = b"\1\1\x7f"
MANY_LOCALS = b"\1" + unsigned(50000) + b"\x7f"
ZERO = b"\x41\0"
ADD_TO_LOCAL = b"\x20\0\x41\3\x6a\x21\0"
_USES = b"".join(b"\x20" + unsigned(i) + b"\x41\1\x6a\x21" + unsigned(i) for i in range(0, 50000, 10))
_TARGETS = b"".join(unsigned(i % 100) for i in range(10000))

GIANTS = {
    "50,000 blocks in each other": (module(b"\2\x40" * 50000 + b"\x0b" * 50000 + ZERO), IMAGE),
    "5,000 loops in each other": (module(b"\3\x40" * 5000 + b"\x0b" * 5000 + ZERO), IMAGE),
    "5,000 ifs in each other": (module((ZERO + b"\4\x40") * 5000 + b"\x0b" * 5000 + ZERO), IMAGE),
    "50,000 locals": (module(ZERO, MANY_LOCALS), IMAGE),
    "50,000 locals, a tenth of them used": (module(_USES + b"\x20\0", MANY_LOCALS), IMAGE),
    "a br_table of 10,000 entries": (
        module(b"\2\x40" * 100 + b"\x41\5\x0e" + unsigned(10000) + _TARGETS + b"\0" + b"\x0b" * 100 + ZERO),
        IMAGE,
    ),
    "1 MiB of additions": (module(ADD_TO_LOCAL * 150000 + b"\x20\0", ONE_LOCAL), IMAGE),
    "1 MiB of ifs": (module((b"\x20\0\4\x40" + ADD_TO_LOCAL + b"\x0b") * 87000 + b"\x20\0", ONE_LOCAL), IMAGE),
    "1 MiB of loads": (module(ZERO + b"\x28\2\0" * 349500), "349500 memory accesses, the limit is 20000"),
    "4294967295 types": (b"\0asm\1\0\0\0" + _section(1, b"\xff\xff\xff\xff\x0f"), "4294967295 items expected"),
    "4294967295 locals": (module(ZERO, b"\1\xff\xff\xff\xff\x0f\x7f"), "too many locals"),
    "4294967295 functions": (b"\0asm\1\0\0\0" + _section(3, b"\xff\xff\xff\xff\x0f"), "4294967295 items expected"),
    "a data segment of 4 GiB": (
        b"\0asm\1\0\0\0" + _section(11, b"\1\0\x41\0\x0b\xff\xff\xff\xff\x0f"),
        "unexpected end",
    ),
}


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", GIANTS)
def test_giant(name: str, worker: Worker) -> None:
    data, wanted = GIANTS[name]
    assert wanted in worker.compile(data)
