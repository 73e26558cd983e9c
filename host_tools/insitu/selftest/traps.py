"""Every trap of the standard but stack overflow, and that the board goes on after each."""

from __future__ import annotations

from insitu.selftest.bench import Bench, Facts, Failed, Sample
from insitu.session.session import RunError

_INFINITY = 0x7FF0000000000000
_FAR = 0xFFFFFFFC
# An export, its arguments, and the standard's words for what it does.
_TRAPS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("unreachable", (), "unreachable"),
    ("i32.div_s", (1, 0), "integer divide by zero"),
    ("i64.rem_u", (1, 0), "integer divide by zero"),
    ("i32.div_s", (-(1 << 31), -1), "integer overflow"),
    ("i64.div_s", (-(1 << 63), -1), "integer overflow"),
    ("load", (_FAR,), "out of bounds memory access"),
    ("store", (0x10000,), "out of bounds memory access"),
    ("i32.trunc_f64_s", (_INFINITY,), "integer overflow"),
    ("i32.trunc_f64_s", (_INFINITY + 1,), "invalid conversion to integer"),
    ("indirect", (0,), "uninitialized element"),
    ("indirect", (_FAR,), "undefined element"),
)


def expect_trap(bench: Bench, name: str, arguments: tuple[int, ...], message: str) -> None:
    """Raise Failed unless the call traps with the message."""
    text = f"{name}({', '.join(map(str, arguments))})"
    try:
        _, results = bench.session.invoke(name, [*arguments])
    except RunError as error:
        if str(error).startswith(f'trap: "{message}'):
            return
        raise Failed(f'{text} ended with {error}, not with a trap "{message}"') from None
    raise Failed(f'{text} gave {results}, not a trap "{message}"')


def check(bench: Bench) -> Facts:
    """After each trap a call gives what it should, and the global heap is whole."""
    wrong = bench.value("getattr(inst.exports, 'wrong')()")
    traps = (*_TRAPS, ("indirect", (wrong,), "indirect call type mismatch"))
    for name, arguments, message in traps:
        expect_trap(bench, name, arguments, message)
        bench.compare([Sample("i32.add", (2, 3), 5, 32)])
    bench.session.run("rt.heap.check()\n")
    return {"traps": len(traps)}
