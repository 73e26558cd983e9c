"""Issue 7's section 1 on real firmware, for the twin may lie: by number, as in tests/port/test_sandbox.py."""

from __future__ import annotations

import pytest
from insitu.port.xip import layout

from tests.boards.device import Device, slow

pytestmark = pytest.mark.qemu

_CALLBACK = """
def call(n):
    if n or action is None:
        return n
    seen.append(caught(action))
    return 0
seen, action = [], None
"""
# Every depth of the operand stack, of stacks that differ by 8 bytes; what lies below the stack and on both sides.
_DEPTHS = f"""
ENV_LIMIT, ENV_START_INSTANCE, ENV_SIZE = {layout.ENV_LIMIT}, {layout.ENV_START_INSTANCE}, {layout.ENV_SIZE}
def probe(name, *arguments):
    global action
    found = [0, 0]
    for extra in range(0, 32, 8):
        blocks = [rt.malloc(64)]
        env = inst.create_exec_env(rt.guard + 400 + extra)
        blocks.append(rt.malloc(64))
        for address in blocks:
            uctypes.bytearray_at(address, 64)[:] = b"Z" * 64
        head = lambda: bytes(uctypes.bytearray_at(env.address + ENV_LIMIT, 4)) + bytes(
            uctypes.bytearray_at(env.address + ENV_START_INSTANCE, ENV_SIZE - ENV_START_INSTANCE))
        before = head()
        action = lambda: env.call(name, *arguments)
        for depth in range(100):
            del seen[:]
            end = caught(env.call, "down", depth)
            if seen:
                found[seen[0] is None] += 1
                if seen[0] is not None and seen[0][0] != "Trap" or env.busy: raise ValueError(seen)
            for address in blocks:
                if bytes(uctypes.bytearray_at(address, 64)) != b"Z" * 64: raise ValueError("canary")
            if head() != before: raise ValueError("exec env")
            rt.heap.check()
            if end is not None: break
        action = None
        env.destroy()
        for address in blocks: rt.free(address)
    return found[0] > 0, found[1] > 0, end[:1]
"""


_STALE = [
    *("g.value", "g.type", "len(t)", "t[0]", "t.grow(1)", "m.size", "m.pages", "m[0:1]", "m.grow(0)", "f()", "f.name"),
    *("x.stack_used()", "x.call('seven')", "e.seven", "old.memory", "old.create_exec_env(1024)"),
]


def _caller(device: Device) -> None:
    device.instance("caller", stack_size="1024", imports="{'env': {'call': lambda n: call(n)}}")
    device.run(_CALLBACK)


def test_1_1_a_truncated_memory(device: Device) -> None:
    device.instance("truncated", stack_size="512")
    before = device.value("used()[0]")
    device.run(f"mod2 = rt.load({device.at['relies']})")
    kind, text, _, _ = device.value("caught(lambda: mod2.instantiate(stack_size=512, imports={'a': inst}))")
    assert (kind, "at least 65536 bytes, it ends at its __heap_base, 1040" in text) == ("LinkError", True)
    assert device.value("used()[0]") == before


def test_1_2_the_last_of_1024_tables(device: Device) -> None:
    device.clear()
    device.run("inst = None; del rt; gc.collect(); from insitu.alive import latest; latest[0].destroy(); gc.collect()")
    device.run("rt = insitu.Runtime(heap=bytearray(14000))")
    device.instance("many tables", stack_size="1024")
    assert device.value("inst.exports.go(), len(inst.tables)") == (14, 0)


def test_1_3_a_callback_on_a_nearly_full_operand_stack(device: Device) -> None:
    _caller(device)
    device.run(_DEPTHS)
    calls = ("'seven'", "'divide', 8.0, 2", "'grow', 0", "'call', 5")
    for call in calls[-1:] if slow(device.board.name) else calls:
        assert device.value(f"probe({call})") == (True, True, ("Trap",))
    assert device.value("inst.exports.down(3), inst.exec_env.busy") == (3, 0)


def test_1_4_a_larger_guard(device: Device) -> None:
    _caller(device)
    device.run(f"action = lambda: rt.load({device.at['larger guard']})\nguard = rt.guard")
    kind, text, _, _ = device.value("(inst.exports.down(1), seen[0])[1]")
    assert (kind, "load it first" in text) == ("LoadError", True)
    assert device.value("rt.guard == guard, len(rt.modules)") == (True, 1)


def test_1_6_growth_by_less_than_nothing(device: Device) -> None:
    _caller(device)
    assert device.value("caught(inst.memory.grow, -2)[0], caught(inst.memory.grow, 1 << 40)[0]") == (
        "ValueError",
        "OutOfHeap",
    )
    assert device.value("caught(inst.exports.table.grow, -2)[0], caught(inst.exports.table.grow, 1.5)[0]") == (
        "ValueError",
        "TypeError",
    )
    assert device.value("[inst.exports.grow(n) for n in (40000, 16383, -1, 0)]") == [-1, -1, -1, 0]
    assert device.value("inst.memory.pages, len(inst.exports.table)") == (0, 2)


def test_1_7_stale_handles(device: Device) -> None:
    _caller(device)
    device.run(
        "e = inst.exports; g, t, m, f, x = e.v, e.table, inst.memory, e.seven, inst.exec_env\n"
        "inst.deinstantiate()\nold = inst\ninst = mod.instantiate(imports={'env': {'call': call}})"
    )
    said = device.value(f"[caught(use)[:2] for use in ({', '.join(f'lambda: {use}' for use in _STALE)})]")
    assert {kind for kind, _ in said} == {"Error"}
    assert all("was destroyed" in text for _, text in said)
    assert device.value("inst.exports.v.value, inst.exports.seven(), old.id == inst.id") == (5, 7, True)


def test_1_8_nothing_is_destroyed_inside_of_an_import(device: Device) -> None:
    _caller(device)
    before = device.value("used()")
    for action in ("rt.destroy", "mod.unload", "inst.deinstantiate", "inst.exec_env.destroy"):
        device.run(f"action = {action}\ndel seen[:]")
        kind, text, _, _ = device.value("(inst.exports.down(1), seen[0])[1]")
        assert (kind, "running" in text) == ("Error", True)
    assert device.value("used()") == before
    assert device.value("inst.exports.seven()") == 7


def test_1_9_heaps_and_interrupts(device: Device) -> None:
    _caller(device)
    assert device.value("caught(lambda: insitu.Runtime(heap=bytes(200)))[:2]") == (
        "HeapError",
        "bytes cannot be written: give a bytearray",
    )
    assert device.value("caught(lambda: insitu.Runtime(heap=rt.heap._buffer))[:2]") == (
        "HeapError",
        "another runtime has this memory: destroy() it first",
    )
    device.run("from insitu.raw import poke\npoke(rt.base, rt.cell + 4, inst.exec_env.address)")
    kind, text, _, _ = device.value("caught(inst.exports.seven)")
    assert (kind, "compiled code is running" in text) == ("Error", True)
    device.run("poke(rt.base, rt.cell + 4, 0)")
    assert device.value("inst.exports.seven()") == 7
