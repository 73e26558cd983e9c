"""Exports called from Python: values of every type, errors, nesting, traps."""

import struct

import pytest

ADD = """(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"""
TYPES = """(module
  (func (export "i32") (param i32) (result i32) (local.get 0))
  (func (export "i64") (param i64) (result i64) (local.get 0))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "sum") (param i64 f32 f64) (result f64)
    (f64.add (f64.convert_i64_s (local.get 0)) (f64.add (f64.promote_f32 (local.get 1)) (local.get 2))))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "five") (param i32 i32 i32 i32 i32) (result i32)
    (i32.sub (local.get 0) (i32.add (i32.mul (local.get 1) (local.get 2))
      (i32.sub (local.get 3) (local.get 4)))))
)"""
TRAPS = """(module
  (memory 1)
  (table 4 funcref) (elem (i32.const 1) $wrong)
  (type $t (func (param i32) (result i32)))
  (func $wrong (param i64))
  (func (export "unreachable") unreachable)
  (func $load (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "convert") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func (export "indirect") (param i32) (result i32) (call_indirect (type $t) (i32.const 1) (local.get 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (else (i32.const 0))))
)"""
IMPORTS = """(module
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (import "env" "mixed" (func $mixed (param i64 f32 i32) (result f64)))
  (import "env" "pair" (func $pair (result i32 i64)))
  (import "env" "note" (func $note (param i32)))
  (memory (export "memory") 1)
  (func (export "twice") (param i32) (result i32) (call $twice (local.get 0)))
  (func (export "mixed") (result f64) (call $mixed (i64.const -5) (f32.const 0.5) (i32.const 7)))
  (func (export "pair") (result i32 i64) (call $pair))
  (func (export "note") (param i32) (call $note (local.get 0)))
  (func $fac (export "plain") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func (export "loop") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (call $twice (local.get 0))))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
)"""


def imports(**functions):
    names = {"twice": lambda a: 2 * a, "mixed": lambda a, b, c: a + b + c, "pair": lambda: (-1, 1 << 40)}
    return {"env": {**names, "note": print, **functions}}


def test_add(device):
    add = device.instantiate(ADD).exports.add
    assert add(2, 3) == 5
    assert add(-2, 1) == -1
    assert add(0x7FFFFFFF, 1) == -0x80000000
    assert add(0xFFFFFFFF, 0) == -1
    assert add(0x3FFFFFFF, 1) == 0x40000000
    assert add(-0x40000000, -1) == -0x40000001


def test_a_bool_is_an_integer(device):
    """As C's _Bool is: an argument, an import's result, a constant."""
    assert device.instantiate(ADD).exports.add(True, 1) == 2
    exports = device.instantiate(TYPES).exports
    assert (exports.i64(True), exports.i64(False)) == (1, 0)
    with pytest.raises(TypeError, match="argument 1 must be a float, not bool"):
        exports.f64(True)
    asks = device.instantiate(IMPORTS, imports=imports(twice=lambda a: a == 5))
    assert (asks.exports.twice(5), asks.exports.twice(4)) == (1, 0)
    constant = '(module (import "env" "c" (global i32)) (func (export "c") (result i32) (global.get 0)))'
    assert device.instantiate(constant, imports={"env": {"c": True}}).exports.c() == 1


def test_a_float_may_be_given_as_its_bytes(device):
    """And the args area has the results' bytes."""
    instance = device.instantiate(TYPES)
    for kind, number in (("f32", 0.1), ("f64", 0.1), ("f64", 1e300)):
        given = struct.pack("<f" if kind == "f32" else "<d", number)
        result = instance.lookup(kind)(given)
        assert bytes(instance.slots[: len(given)]) == given
        assert result == pytest.approx(number, rel=1e-7)
        with pytest.raises(TypeError, match="argument 1 must be a float, not bytes"):
            instance.lookup(kind)(given + b"1")
    asks = device.instantiate(IMPORTS, imports=imports(mixed=lambda *_: struct.pack("<d", 0.25)))
    assert asks.exports.mixed() == 0.25


def test_every_type(device):
    exports = device.instantiate(TYPES).exports
    assert exports.i32(-7) == -7
    assert exports.i64(-(1 << 63)) == -(1 << 63)
    assert exports.i64((1 << 64) - 1) == -1
    assert exports.f32(0.1) == pytest.approx(0.1, rel=1e-7)
    assert exports.f64(0.1) == 0.1
    assert exports.f64(3) == 3.0
    assert exports.sum(1 << 40, 0.5, -2.0) == (1 << 40) - 1.5
    assert exports.swap(1, -2) == (-2, 1)
    assert exports.nothing() is None
    assert exports.five(100, 2, 3, 4, 5) == 95


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((1,), TypeError, r'"add" takes 2 arguments \(ii:i\), 1 given'),
        ((1, 2, 3), TypeError, r'"add" takes 2 arguments \(ii:i\), 3 given'),
        ((1, 1.5), TypeError, r"argument 2 must be an int \(i32\), not float"),
        ((1, "2"), TypeError, r"argument 2 must be an int \(i32\), not str"),
        ((1 << 32, 1), OverflowError, "argument 1: 4294967296 does not fit in i32"),
        ((0, -(1 << 31) - 1), OverflowError, "argument 2: -2147483649 does not fit in i32"),
    ],
)
def test_wrong_arguments(device, args, error, text):
    add = device.instantiate(ADD).exports.add
    with pytest.raises(error, match=text):
        add(*args)
    assert add(1, 1) == 2


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("unreachable", (), "unreachable"),
        ("load", (65533,), "out of bounds memory access"),
        ("load", (-1,), "out of bounds memory access"),
        ("divide", (1, 0), "integer divide by zero"),
        ("divide", (-0x80000000, -1), "integer overflow"),
        ("convert", (float("nan"),), "invalid conversion to integer"),
        ("convert", (1e10,), "integer overflow"),
        ("indirect", (1,), "indirect call type mismatch"),
        ("indirect", (4,), "undefined element"),
        ("indirect", (0,), "uninitialized element"),
        ("deep", (100000,), "wasm operand stack overflow"),
    ],
)
def test_trap(device, name, args, message):
    instance = device.instantiate(TRAPS)
    for _ in range(3):
        with pytest.raises(device.port.Trap) as caught:
            instance.lookup_function(name)(*args)
        trap = caught.value
        assert trap.message == message
        # a function's name section name wins over its export's
        assert str(trap) == f'"{message}" in function "{trap.function}" at code offset 0x{trap.offset:x}'
        assert trap.pc == instance.module.base + trap.offset
    assert instance.exports.deep(10) == 10


def test_trap_names_the_function(device):
    instance = device.instantiate(TRAPS)
    with pytest.raises(device.port.Trap, match='in function "load" at code offset 0x'):
        instance.exports.load(70000)


def test_imports(device):
    notes = []
    exports = device.instantiate(IMPORTS, imports=imports(note=notes.append)).exports
    assert exports.twice(21) == 42
    assert exports.twice(-21) == -42
    assert exports.twice(0x3FFFFFFF) == 0x7FFFFFFE
    assert exports.mixed() == 2.5
    assert exports.pair() == (-1, 1 << 40)
    assert exports.note(-9) is None
    assert notes == [-9]
    assert exports.loop(100) == 10100


def test_import_calls_an_export(device):
    instance = None

    def twice(a):
        return instance.exports.plain(a) + (instance.exports.twice(a - 1) if a else 0)

    instance = device.instantiate(IMPORTS, imports=imports(twice=twice))
    assert instance.exports.twice(4) == 3 * (4 + 3 + 2 + 1)
    assert instance.exports.loop(3) == 18 + 9 + 3


def test_exception_in_an_import(device):
    def twice(a):
        raise KeyError(a)

    instance = device.instantiate(IMPORTS, imports=imports(twice=twice))
    for _ in range(50):
        with pytest.raises(KeyError):
            instance.exports.twice(3)
    assert instance.exports.plain(3) == 9


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (None, TypeError, r"import env.twice: result 1 must be an int \(i32\), not NoneType"),
        (1.5, TypeError, r"import env.twice: result 1 must be an int \(i32\), not float"),
        (1 << 40, OverflowError, "does not fit in i32"),
    ],
)
def test_wrong_result_of_an_import(device, result, error, text):
    instance = device.instantiate(IMPORTS, imports=imports(twice=lambda a: result))
    with pytest.raises(error, match=text):
        instance.exports.twice(3)
    with pytest.raises(TypeError, match="import env.pair must return 2 values as a tuple"):
        device.instantiate(IMPORTS, imports=imports(pair=lambda: 1)).exports.pair()


def test_exec_envs(device):
    instance = device.instantiate(TRAPS)
    env = instance.create_exec_env(stack_size=8192)
    assert env.call("deep", 50) == 50
    used = env.stack_used()
    assert 50 * 8 <= used < 8192
    env.call("deep", 60)
    assert env.stack_used() > used
    assert instance.exec_env.stack_used() < used
    with pytest.raises(device.port.Error, match='no exported function "nope"'):
        env.call("nope")
    env.destroy()
    with pytest.raises(device.port.Error, match="destroyed"):
        env.call("deep", 1)
    device.runtime.heap.check()


def test_no_default_exec_env(device):
    instance = device.instantiate(ADD, stack_size=0)
    with pytest.raises(device.port.Error, match="stack_size=0"):
        instance.exports.add(1, 2)
    assert instance.create_exec_env(1024).call("add", 1, 2) == 3
    with pytest.raises(device.port.Error, match="too small"):
        instance.create_exec_env(32)


def test_missing_export(device):
    instance = device.instantiate(ADD)
    with pytest.raises(AttributeError, match='no export "sub"; there are: add'):
        instance.exports.sub  # noqa: B018
    assert instance.lookup_function("sub") is None
