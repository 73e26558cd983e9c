"""Issue 2's section 3 on the boards: in place, refusals that leave nothing behind, traps that leave all usable."""

from __future__ import annotations

import importlib.metadata
import struct
import time

import pytest
from insitu.port.xip import layout

from tests.boards.device import Device

pytestmark = pytest.mark.qemu

_FRIENDLY = b"\x02"  # the REPL for people
_RV32IMC = 11  # MP_NATIVE_ARCH_* of py/persistentcode.h; ARMV6M to ARMV7EMDP are Cortex-M's
_CORTEX_M = range(4, 9)


def test_boots(device: Device) -> None:
    name, arch = device.value("sys.implementation.name, sys.implementation._mpy >> 10 & 15")
    assert name == "micropython"
    assert arch in ([_RV32IMC] if device.board.target == "rv32imc" else _CORTEX_M)


def test_looking_for_names_loads_nothing(device: Device) -> None:
    """dir, and TAB in the REPL, which tries every name that the firmware knows."""
    device.run("loaded = sorted(sys.modules)")
    assert {"Runtime", "Trap", "__version__"} <= set(device.value("dir(insitu)"))
    assert device.value("insitu.__version__") == importlib.metadata.version("insitu")
    device.link.write(_FRIENDLY + b"insitu.\t")
    said, end = b"", time.monotonic() + 60
    while b"OutOfHeap" not in said and time.monotonic() < end:
        said += device.link.read()
    device.link.__enter__()  # the raw REPL again
    assert b"OutOfHeap" in said
    assert device.value("sorted(sys.modules) == loaded")


def test_calls(device: Device) -> None:
    device.instance("add", stack_size="1024")
    assert device.value("inst.exports.add(-2, 1), inst.exports.add(0x7fffffff, 1)") == (-1, -(1 << 31))
    assert device.value("inst.exports.add(True, 1)") == 2  # a bool is no int for MicroPython
    assert device.value("inst.exports.mix(-(1 << 63) + 1, 0.5, 7)") == (3.5, -(1 << 63))


def test_the_bits_of_an_f64(device: Device) -> None:
    """1/3 to the last of 53 bits, also where the firmware's floats have 32."""
    device.instance("caller", stack_size="1024", imports="{'env': {'call': print}}")
    third = struct.pack("<d", 1 / 3)
    assert device.value(f"inst.exports.divide({struct.pack('<d', 1.0)}, 3) and bytes(inst.slots[:8])") == third
    assert device.value(f"inst.exports.divide({third}, 1) and bytes(inst.slots[:8])") == third
    assert device.value("caught(inst.exports.divide, b'1234', 1)")[:2] == (
        "TypeError",
        "argument 1 must be a float, not bytes",
    )


_TAKEN = """
def taken(call):
    call()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    call()
    after = gc.mem_alloc()
    gc.enable()
    return after - before
"""


def test_bytes_that_a_call_and_an_access_to_memory_take(device: Device) -> None:
    """A call none; memory no more than a bytearray's slice, which is two objects, and two further ones of 16."""
    device.instance("traps", stack_size="1024")
    device.run(_TAKEN + "exports, load, m, plain = inst.exports, inst.exports.load, inst.memory, bytearray(8)")
    assert device.value("taken(lambda: inst.exports.load(1)), taken(lambda: load(1))") == (0, 0)
    assert device.value("taken(lambda: exports.fine()), taken(lambda: exports.load), taken(lambda: m[3])") == (0, 0, 0)
    assert device.value("taken(lambda: m[0:4]) <= taken(lambda: plain[0:4]) + 32")


# --- executed in place ---

TRAPS = [
    ("stop", "", "unreachable"),
    ("load", "1100", "out of bounds memory access"),
    ("load", "-1", "out of bounds memory access"),
    ("fill", "1020", "out of bounds memory access"),
    ("divide", "1, 0", "integer divide by zero"),
    ("divide", "-0x80000000, -1", "integer overflow"),
    ("convert", "float('nan')", "invalid conversion to integer"),
    ("convert", "1e10", "integer overflow"),
    ("indirect", "1", "indirect call type mismatch"),
    ("indirect", "4", "undefined element"),
    ("indirect", "0", "uninitialized element"),
]


def test_a_trap_s_program_counter_lies_in_flash(device: Device) -> None:
    """And the trap says what, where and in which function, and leaves instance and heap as they were."""
    device.instance("traps", stack_size="1024")
    base, image = device.at["traps"], device.images["traps"]
    code, size = struct.unpack_from("<II", image, layout.IMAGE_CODE_OFFSET)
    assert (
        device.board.image.address <= base < base + len(image) <= device.board.image.address + device.board.image.size
    )
    before = device.value("used()")
    for name, arguments, message in TRAPS:
        kind, text, pc, offset = device.value(f"caught(inst.exports.{name}, {arguments})")
        assert (kind, text) == ("Trap", f'"{message}" in function "{name}" at code offset 0x{offset:x}')
        assert pc == base + offset
        assert code <= offset <= code + size
        assert device.value("inst.exports.fine()") == 77
    assert device.value("used()") == before


def test_ram_does_not_grow_with_the_code(device: Device) -> None:
    """Loading and instantiating takes the same from the global heap and from MicroPython's, for ten times the code."""
    small, large = device.images["small code"], device.images["ten times the code"]
    sizes = [struct.unpack_from("<I", image, layout.IMAGE_CODE_SIZE)[0] for image in (small, large)]
    assert sizes[1] >= 10 * sizes[0]
    taken = {}
    for name in ("small code", "small code", "ten times the code"):  # the first brings in what is imported late
        device.clear()
        device.run("gc.collect(); a = rt.heap.used(); b = gc.mem_alloc()")
        device.run(f"mod = rt.load({device.at[name]})\ninst = mod.instantiate(stack_size=1024)")
        taken[name] = device.value("(gc.collect(), rt.heap.used() - a, gc.mem_alloc() - b)[1:]")
    (pool, python), (pool_large, python_large) = taken["small code"], taken["ten times the code"]
    assert pool == pool_large
    assert abs(python - python_large) <= 64


def test_read_only_data_stays_in_flash(device: Device) -> None:
    """The one copy of a data segment is in linear memory; what the module is is its address."""
    device.instance("small code", stack_size="1024")
    assert device.value("mod.base") == device.at["small code"]
    assert device.value("inst.memory.read(0, 16)") == b"sixteen bytes..."
    assert device.value("inst.memory_size()") == 16


# --- stacks ---


@pytest.mark.parametrize("name", ["deep", "even", "pointed"])
def test_recursion_overflows_the_operand_stack(device: Device, name: str) -> None:
    """Itself, two functions by turns, through a table: a trap; and the same call, less deep, is right after it."""
    device.instance("recursion", stack_size="1024", imports="{'env': {'again': lambda n: n}}")
    before = device.value("used()")
    for _ in range(3):
        kind, text, _, _ = device.value(f"caught(inst.exports.{name}, 100000)")
        assert kind == "Trap"
        assert text.startswith('"wasm operand stack overflow" in function "')
    right = {"deep": 5, "even": 2 ^ 3 ^ 5 ^ 3 ^ 5 ^ 3, "pointed": 5}[name]
    assert device.value(f"inst.exports.{name}(5)") == right
    assert device.value("inst.exec_env.stack_used()") <= 1024
    assert device.value("used()") == before


def test_recursion_through_imports_overflows_the_operand_stack(device: Device) -> None:
    # ports/rp2 has a C stack of 8 KiB, in which Python takes three calls through imports, not four.
    size = "384" if device.board.firmware.port == "rp2" else "1024"
    device.instance("recursion", stack_size=size, imports="{'env': {'again': lambda n: inst.exports.wide(n)}}")
    before = device.value("used()")
    for _ in range(3):
        kind, text, _, _ = device.value("caught(inst.exports.wide, 1000)")
        assert (kind, text.startswith('"wasm operand stack overflow" in function "wide"')) == ("Trap", True)
    assert device.value("used()") == before
    assert device.value("inst.exec_env.busy, inst.exports.deep(5)") == (0, 5)


def test_recursion_through_imports_overflows_python_s_stack(device: Device) -> None:
    """Where Python's stack is the smaller one it is Python's own error."""
    device.instance("recursion", stack_size="8192", imports="{'env': {'again': lambda n: inst.exports.narrow(n)}}")
    before = device.value("used()")
    for _ in range(3):
        assert device.value("caught(inst.exports.narrow, 1000)")[:2] == (
            "RuntimeError",
            "maximum recursion depth exceeded",
        )
    assert device.value("inst.exports.narrow(2), inst.exec_env.busy") == (2, 0)
    assert device.value("used()") == before


def test_aux_stack_overflow(device: Device) -> None:
    device.instance("aux", stack_size="4096")
    assert device.value("inst.exports.down(15), inst.aux_stack_used()") == (16, 512)
    kind, text, _, _ = device.value("caught(inst.exports.down, 16)")
    assert (kind, text.startswith('"wasm auxiliary stack overflow" in function "down"')) == ("Trap", True)
    device.instance("aux", stack_size="4096")
    kind, text, _, _ = device.value("caught(inst.exports.up)")
    assert (kind, text.startswith('"wasm auxiliary stack underflow" in function "up"')) == ("Trap", True)
    assert device.value("inst.memory.read(512, 21)") == b"not to be overwritten"


# --- refused, and the heap as before ---


def test_imports_of_other_instances(device: Device) -> None:
    device.instance("add", stack_size="1024")
    for math in ("inst", "inst.exports"):
        device.run(f"two = rt.load({device.at['wants add']}).instantiate(stack_size=1024, imports={{'math': {math}}})")
        assert device.value("two.exports.twice(21)") == 42
        device.run("two.deinstantiate()")


_WRONG = "incompatible import type: import "
REFUSED_IMPORTS = [
    ("imports", "{}", "unknown import env.f (function i:i) is missing"),
    ("imports", "{'env': {'f': print}}", "unknown import env.k (global) is missing"),
    (
        "imports",
        "{'env': {'f': 5, 'k': 5}}",
        _WRONG + "env.f must be a function i:i, int given",
    ),
    (
        "imports",
        "{'env': {'f': print, 'k': 'x'}}",
        _WRONG + "env.k must be an immutable global i32, x given",
    ),
    (
        "wants add",
        "{'math': {'add': inst.exports.mix}}",
        _WRONG + "math.add must be a function ii:i, Ifi:fI given",
    ),
    ("wants mix", "{'math': inst}", _WRONG + "math.add must be a function I:I, ii:i given"),
    (
        "wants memory",
        "{'math': {'memory': bytearray(5)}}",
        _WRONG + "math.memory must be a memory of another instance",
    ),
    ("wants memory", "{'math': inst}", "unknown import math.memory (memory) is missing"),
]


def test_wrong_imports(device: Device) -> None:
    device.instance("add", stack_size="1024")
    for name, imports, text in REFUSED_IMPORTS:
        device.run(f"wrong = rt.load({device.at[name]})")
        before = device.value("used()")
        kind, said, _, _ = device.value(f"caught(lambda: wrong.instantiate(stack_size=512, imports={imports}))")
        assert (kind, said[: len(text)]) == ("LinkError", text)
        assert device.value("used()") == before
        device.run("wrong.unload()")
    device.run(f"wrong = rt.load({device.at['wants add']})")
    assert device.value("caught(lambda: wrong.instantiate(imports={'math': 5}))")[:2] == (
        "TypeError",
        "imports['math'] must be a dictionary or an instance, not int",
    )
    assert device.value("inst.exports.add(1, 2)") == 3


REFUSED_ARGUMENTS = [
    ("1", "TypeError", '"add" takes 2 arguments (ii:i), 1 given'),
    ("1, 2, 3", "TypeError", '"add" takes 2 arguments (ii:i), 3 given'),
    ("1, 2.0", "TypeError", "argument 2 must be an int (i32), not float"),
    ("None, 2", "TypeError", "argument 1 must be an int (i32), not NoneType"),
    ("1 << 32, 2", "OverflowError", "argument 1: 4294967296 does not fit in i32"),
]


def test_wrong_arguments(device: Device) -> None:
    device.instance("add", stack_size="1024")
    before = device.value("used()")
    for arguments, kind, text in REFUSED_ARGUMENTS:
        assert device.value(f"caught(inst.exports.add, {arguments})")[:2] == (kind, text)
    assert device.value("caught(inst.exports.mix, 1, 'x', 2)")[:2] == (
        "TypeError",
        "argument 2 must be a float, not str",
    )
    assert device.value("used()") == before
    assert device.value("inst.exports.add(1, 2)") == 3


def test_wrong_results_of_an_import(device: Device) -> None:
    for result, kind, text in (
        ("None", "TypeError", "import env.f: result 1 must be an int (i32), not NoneType"),
        ("1 << 40", "OverflowError", "import env.f: result 1: 1099511627776 does not fit in i32"),
    ):
        device.instance("imports", stack_size="1024", imports=f"{{'env': {{'f': lambda x: {result}, 'k': 1}}}}")
        before = device.value("used()")
        assert device.value("caught(inst.exports.f, 3)")[:2] == (kind, text)
        assert device.value("used()") == before


def test_an_exception_in_an_import(device: Device) -> None:
    device.instance("imports", stack_size="1024", imports="{'env': {'f': lambda x: {}[x] if x else 4, 'k': 1}}")
    for _ in range(20):
        assert device.value("caught(inst.exports.f, 3)")[:2] == ("KeyError", "3")
    assert device.value("inst.exports.f(0), inst.exec_env.busy") == (5, 0)


def test_too_small_a_heap(device: Device) -> None:
    device.run(f"mod = rt.load({device.at['large memory']})")
    before = device.value("used()")
    kind, text, _, _ = device.value("caught(lambda: mod.instantiate(stack_size=1024))")
    assert (kind, text[: text.index(" bytes wanted")]) == (
        "OutOfHeap",
        "no room in the global heap for linear memory: 131072",
    )
    assert device.value("used()") == before
    device.instance("add", stack_size="1024")
    before = device.value("used()")
    assert device.value("caught(inst.create_exec_env, 30000)")[0] == "OutOfHeap"
    assert device.value("caught(lambda: mod.instantiate(stack_size=30000))")[0] == "OutOfHeap"
    assert device.value("used()") == before
    assert device.value("caught(lambda: insitu.Runtime(heap=bytearray(50)))[0]") == "HeapError"
    # a runtime that failed is not what telemetry speaks of
    assert device.value("insitu.Runtime and rt.mem_alloc_info()[0]") == 24000


def test_images_that_are_refused(device: Device) -> None:
    before = device.value("used()")
    kind, text, _, _ = device.value(f"caught(rt.load, {device.at['for another CPU']})")
    assert kind == "LoadError"
    assert "the image is for " in text
    device.run(f"copy = bytearray(uctypes.bytearray_at({device.at['add']}, {len(device.images['add'])}))")
    device.run("copy[-1] ^= 1")
    assert device.value("caught(rt.load, copy)")[0] == "LoadError"
    device.run("copy[-1] ^= 1\ncopy[0] ^= 1")
    assert device.value("caught(rt.load, copy)")[0] == "LoadError"
    assert device.value("caught(rt.load, memoryview(copy)[:100])")[0] == "LoadError"
    assert device.value("caught(rt.load, '/rom/insitu/none.xip')")[0] == "OSError"
    assert device.value("used()") == before
