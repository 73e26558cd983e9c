"""What instances share: functions through imports and tables, globals, tables, memories; what does not fit."""

import pytest

FUNCTIONS = """(module
  (import "host" "log" (func $log (param i32)))
  (func (export "two") (result i32) (i32.const 2))
  (func (export "log") (param i32) (call $log (local.get 0)))
  (export "raw_log" (func $log))
  (func (export "six") (param i32 i64 f32 f64 funcref externref) (result externref funcref f64 f32 i64 i32)
    (local.get 5) (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0)))"""
REEXPORTS = """(module
  (import "a" "two" (func $two (result i32)))
  (import "a" "raw_log" (func $log (param i32)))
  (import "a" "six" (func $six (param i32 i64 f32 f64 funcref externref)
    (result externref funcref f64 f32 i64 i32)))
  (export "two" (func $two)) (export "log" (func $log)) (export "six" (func $six))
  (table (export "table") funcref (elem $two $three $log))
  (func $three (export "three") (result i32) (i32.add (call $two) (i32.const 1)))
  (func (export "ref") (result funcref) (ref.func $two)))"""


def test_functions_exported_again(device):
    logged = []
    one = device.instantiate(FUNCTIONS, imports={"host": {"log": logged.append}})
    two = device.instantiate(REEXPORTS, imports={"a": one})
    three = device.instantiate(REEXPORTS, imports={"a": _Renamed(two)})
    for instance in (two, three):
        e = instance.exports
        assert [e.two(), e.three(), e.ref()(), e.table[0](), e.table[1]()] == [2, 3, 2, 2, 3]
        e.log(5)
        e.table[2](6)
        assert e.ref().instance is e.table[0].instance is one
        thing = object()
        first, function, *numbers = e.six(1, 1 << 40, 0.5, 0.25, one.exports.two, thing)
        assert (first, function(), numbers) == (thing, 2, [0.25, 0.5, 1 << 40, 1])
    assert logged == [5, 6, 5, 6]
    with pytest.raises(device.port.Error, match="another instance imports from this one"):
        one.deinstantiate()
    for instance in (three, two, one):
        instance.deinstantiate()
    assert device.runtime.instances == []
    device.runtime.heap.check()


def test_functions_called_in_loops(device):
    """By Python and by another instance; with arguments on the stack and results in memory."""
    imported = '(import "o" "f" (func $f (param i32 i64 f64 i32) (result i64 i32)))'
    loop = """(func (export "run") (param $n i32) (result i64) (local $sum i64) (local $i i32)
      (loop $again
        (call $f (local.get $n) (local.get $sum) (f64.const 0.5) (i32.const 7))
        (local.set $i)
        (local.set $sum)
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i64.add (local.get $sum) (i64.extend_i32_s (local.get $i))))"""
    function = """(global $half (export "half") (mut f64) (f64.const 0))
      (func (export "f") (param i32 i64 f64 i32) (result i64 i32)
        (global.set $half (local.get 2))
        (i64.add (local.get 1) (i64.extend_i32_s (local.get 0)))
        (i32.sub (local.get 0) (local.get 3)))"""
    one = device.instantiate(f"(module {function})")
    for other in (one, {"f": lambda n, total, half, seven: (total + n, n - seven)}):
        two = device.instantiate(f"(module {imported} {loop})", imports={"o": other})
        assert two.exports.run(10) == sum(range(11)) + 1 - 7
    assert one.exports.half.value == 0.5


class _Renamed:
    """An instance whose export "log" is asked for as "raw_log"."""

    def __init__(self, instance):
        self.instance = instance

    def lookup(self, name):
        return self.instance.lookup("log" if name == "raw_log" else name)


def test_exports_stand_for_their_instance(device):
    """Whatever they are called."""
    names = ("_instance", "lookup", "get")
    one = device.instantiate(f"(module {''.join(_SEVEN % name for name in names)})")
    wanted = "".join(
        f'(import "py" "{name}" (func (result i32)))(export "{name}" (func {i}))' for i, name in enumerate(names)
    )
    two = device.instantiate(f"(module {wanted})", imports={"py": one.exports})
    assert [two.lookup(name)() for name in names] == [7, 7, 7]
    with pytest.raises(device.port.Error, match="another instance imports from this one"):
        one.deinstantiate()
    with pytest.raises(device.port.LinkError, match=r"unknown import py.six \(function :\) is missing"):
        device.instantiate('(module (import "py" "six" (func)))', imports={"py": one.exports})


_SEVEN = '(func (export "%s") (result i32) (i32.const 7))'


@pytest.mark.parametrize(
    ("imports", "says"),
    [
        ({"py": 5}, "imports['py'] must be a dictionary or an instance, not int"),
        ({"py": [1]}, "imports['py'] must be a dictionary or an instance, not list"),
        (5, "imports must be a dictionary or an instance, not int"),
    ],
)
def test_imports_that_are_no_dictionary(device, imports, says):
    with pytest.raises(TypeError) as error:
        device.instantiate('(module (import "py" "f" (func)))', imports=imports)
    assert str(error.value) == says
    assert device.runtime.instances == []


GLOBALS = """(module
  (global (export "v") (mut i64) (i64.const 142)) (global (export "c") f32 (f32.const 0.5))
  (global (export "f") (mut funcref) (ref.null func)) (global (export "x") (mut externref) (ref.null extern))
  (global $own (export "cx") externref (ref.null extern))
  (func (export "get") (result i64) (global.get 0))
  (func (export "set") (param i64) (global.set 0 (local.get 0)))
  (table $t 1 funcref)
  (func (export "call") (result i32) (table.set $t (i32.const 0) (global.get 2))
    (call_indirect $t (result i32) (i32.const 0))))"""
GLOBALS_AGAIN = """(module
  (import "a" "v" (global $v (mut i64))) (import "a" "c" (global $c f32))
  (import "a" "f" (global $f (mut funcref))) (import "a" "x" (global $x (mut externref)))
  (export "v" (global $v)) (export "c" (global $c)) (export "f" (global $f)) (export "x" (global $x))
  (global (export "copy") f32 (global.get $c))
  (func $nine (export "nine") (result i32) (i32.const 9))
  (func (export "put") (param externref i64)
    (global.set $f (ref.func $nine)) (global.set $x (local.get 0)) (global.set $v (local.get 1)))
  (func (export "get") (result i64) (global.get $v)))"""


def test_globals_are_one(device):
    one = device.instantiate(GLOBALS)
    two = device.instantiate(GLOBALS_AGAIN, imports={"a": one})
    three = device.instantiate(GLOBALS_AGAIN, imports={"a": two})
    thing = object()
    three.exports.put(thing, -7)
    for instance in (one, two, three):
        e = instance.exports
        assert (e.v.value, e.c.value, e.f.value(), e.x.value, e.get()) == (-7, 0.5, 9, thing, -7)
    assert three.exports.copy.value == 0.5
    one.exports.set(1 << 50)
    assert three.exports.get() == two.exports.v.value == 1 << 50
    assert one.exports.call() == 9
    three.deinstantiate()
    assert one.exports.f.value is None
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        one.exports.call()
    assert one.exports.x.value is thing


MEMORY = """(module (memory (export "memory") 1 5) (data (i32.const 10) "\\01\\02\\03")
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1))))"""
MEMORY_AGAIN = """(module (import "a" "memory" (memory 1 8)) (export "memory" (memory 0))
  (import "a" "store" (func $store (param i32 i32)))
  (func (export "store") (param i32 i32) (call $store (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "far") (param i32 i32) (result i32)
    (drop (memory.grow (i32.const 1)))
    (call $store (local.get 0) (local.get 1))
    (i32.load8_u (local.get 0))))"""


def test_a_memory_that_moves_moves_for_all(make_device):
    device = make_device(2_000_000)
    one = device.instantiate(MEMORY)
    two = device.instantiate(MEMORY_AGAIN, imports={"a": one})
    three = device.instantiate(MEMORY_AGAIN, imports={"a": two})
    assert [i.exports.load(11) for i in (one, two, three)] == [2, 2, 2]
    blocker = device.runtime.heap.realloc(0, 64)  # lies behind the memory
    before = one.memory_offset()
    assert three.exports.grow(2) == 1
    assert one.memory_offset() != before
    assert [i.exports.load(11) for i in (one, two, three)] == [2, 2, 2]
    assert len({i.memory_offset() for i in (one, two, three)}) == 1
    assert two.exports.size() == three.exports.size() == one.memory.pages == 3
    two.exports.store(196607, 5)
    assert [i.exports.load(196607) for i in (one, two, three)] == [5, 5, 5]
    assert one.memory[196607] == three.memory[196607] == 5
    assert two.exports.far(262143, 7) == 7
    assert one.exports.load(262143) == 7
    assert two.memory.grow(1) == 4
    assert three.exports.grow(1) == -1
    assert three.exports.grow(0) == 5
    device.runtime.heap.free(blocker)
    with pytest.raises(device.port.LinkError, match="maximum of 4 pages or less, it has 5"):
        device.instantiate('(module (import "a" "memory" (memory 0 4)))', imports={"a": three})
    device.instantiate('(module (import "a" "memory" (memory 5 5)))', imports={"a": three}).deinstantiate()
    for instance in (three, two, one):
        instance.deinstantiate()
    device.runtime.heap.check()


TABLES = """(module (table (export "table") 2 9 funcref) (table (export "things") 2 externref)
  (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func (export "thing") (param i32) (result externref) (table.get 1 (local.get 0))))"""
TABLES_AGAIN = """(module (import "a" "table" (table $t 1 20 funcref)) (import "a" "things" (table $x 1 externref))
  (export "table" (table $t)) (export "things" (table $x))
  (table $own 3 funcref) (global $id (mut i32) (i32.const 0))
  (func $mine (result i32) (global.get $id))
  (elem (i32.const 1) $mine)
  (func (export "id") (param i32) (global.set $id (local.get 0)))
  (func (export "grow") (param i32 externref) (result i32)
    (drop (table.grow $x (local.get 1) (local.get 0)))
    (table.grow $t (ref.func $mine) (local.get 0)))
  (func (export "copy") (table.copy $own $t (i32.const 0) (i32.const 1) (i32.const 2)))
  (func (export "own") (param i32) (result i32) (call_indirect $own (result i32) (local.get 0)))
  (func (export "size") (result i32) (table.size $t))
  (func (export "thing") (param i32) (result externref) (table.get $x (local.get 0)))
  (func (export "call") (param i32) (result i32) (call_indirect $t (result i32) (local.get 0))))"""


def test_tables_are_one(device):
    one = device.instantiate(TABLES)
    two = device.instantiate(TABLES_AGAIN, imports={"a": one})
    two.exports.id(22)
    assert [i.exports.call(1) for i in (one, two)] == [22, 22]
    three = device.instantiate(TABLES_AGAIN, imports={"a": two})
    three.exports.id(33)
    assert [i.exports.call(1) for i in (one, two, three)] == [33, 33, 33]
    assert two.exports.grow(3, "thing") == 2
    assert [i.exports.call(4) for i in (one, two, three)] == [22, 22, 22]
    assert [i.exports.thing(4) for i in (one, two, three)] == ["thing"] * 3
    assert two.exports.size() == three.exports.size() == len(one.exports.table) == 5
    three.exports.copy()
    assert [three.exports.own(0), three.exports.own(1)] == [33, 22]
    one.exports.table[0] = three.exports.table[1]
    assert two.exports.call(0) == 33
    assert three.exports.grow(9, None) == -1
    with pytest.raises(device.port.Trap, match="undefined element"):
        one.exports.call(5)
    three.deinstantiate()
    for i, result in ((4, 22), (2, 22)):
        assert one.exports.call(i) == result
    for i in (0, 1):
        with pytest.raises(device.port.Trap, match="uninitialized element"):
            two.exports.call(i)
    two.deinstantiate()
    one.deinstantiate()
    device.runtime.heap.check()


def test_what_a_failed_instance_left_stays(device):
    """Segments before one that traps have had their effect, and what they left can be called (standard, 4.5.4)."""
    one = device.instantiate(
        """(module (memory (export "memory") 1) (table (export "table") 4 funcref) (global (export "f") (mut funcref)
        (ref.null func)) (func (export "call") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
        (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))"""
    )
    before = device.runtime.heap.used()
    head = """(module (import "a" "memory" (memory 1)) (import "a" "table" (table 4 funcref))
        (global $g (mut i32) (i32.const 7)) (func $f (result i32) (global.get $g)) """
    text = head + '(elem (i32.const 0) $f) (elem (i32.const 3) $f $f) (data (i32.const 0) "x"))'
    with pytest.raises(device.port.Trap, match="out of bounds table access"):
        device.instantiate(text, imports={"a": one})
    assert one.exports.call(0) == 7
    assert one.exports.load(0) == 0
    left = device.runtime.heap.used()
    assert left > before
    text = head + '(data (i32.const 1) "y") (data (i32.const 65536) "z"))'
    with pytest.raises(device.port.Trap, match="out of bounds memory access"):
        device.instantiate(text, imports={"a": one})
    assert one.exports.load(1) == 121
    assert device.runtime.heap.used() == left  # nothing refers to this one
    text = (
        '(module (import "a" "f" (global $f (mut funcref))) (func $g (result i32) (i32.const 8)) (elem declare func $g)'
    )
    text += "(func $s (global.set $f (ref.func $g)) (unreachable)) (start $s))"
    with pytest.raises(device.port.Trap, match="unreachable"):
        device.instantiate(text, imports={"a": one})
    assert one.exports.f.value() == 8
    one.exports.f.value.instance.deinstantiate()
    assert one.exports.f.value is None
    one.exports.table[0].instance.deinstantiate()
    assert device.runtime.heap.used() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(import "a" "none" (func))', r"unknown import a.none \(function :\) is missing"),
        ('(import "none" "two" (func))', r"unknown import none.two \(function :\) is missing"),
        ('(import "a" "none" (memory 1))', r"unknown import a.none \(memory\) is missing"),
        ('(import "a" "two" (func))', "incompatible import type: import a.two must be a function :, :i given"),
        (
            '(import "a" "two" (memory 1))',
            "incompatible import type: import a.two must be a memory of another instance",
        ),
        ('(import "a" "c" (global i64))', "incompatible import type: import a.c must be an immutable global i64"),
        ('(import "a" "c" (global (mut f32)))', "must be a mutable global f32, an immutable global f32 given"),
        (
            '(import "a" "f" (global (mut externref)))',
            "must be a mutable global externref, a mutable global funcref given",
        ),
        (
            '(import "a" "cx" (global funcref))',
            "must be an immutable global funcref, an immutable global externref given",
        ),
        ('(import "a" "table" (func))', "incompatible import type: import a.table must be a function :, Table given"),
        ('(import "a" "table" (table 2 externref))', "must be a table of the other reference type"),
        ('(import "a" "table" (table 3 funcref))', "must have at least 3 entries, it has 2"),
        ('(import "a" "table" (table 2 8 funcref))', "must have a maximum of 8 entries or less, it has 9"),
        ('(import "a" "things" (table 2 8 externref))', "must have a maximum of 8 entries or less, it has no maximum"),
        ('(import "a" "memory" (memory 2))', "incompatible import type: import a.memory must have at least 2 pages"),
        ('(import "a" "memory" (memory 1 4))', "must have a maximum of 4 pages or less, it has 5"),
        ('(import "a" "v" (table 1 funcref))', "must be a table of another instance, Global given"),
    ],
)
def test_link_errors(device, text, message):
    exports = {}
    for provider in (FUNCTIONS, GLOBALS, TABLES, MEMORY):
        instance = device.instantiate(provider, imports={"host": {"log": id}})
        exports |= {name: instance.lookup(name) for name in instance.module.export_names()}
    before = device.runtime.heap.used()
    with pytest.raises(device.port.LinkError, match=message):
        device.instantiate(f"(module {text})", imports={"a": exports})
    assert device.runtime.heap.used() == before


def test_a_start_function_without_an_exec_env_leaves_others_tables_as_they_were(device):
    """Found by tests/state: the entry was overwritten, and null once the instance was given up."""
    owner = device.instantiate(
        '(module (table (export "t") 1 funcref) (elem (i32.const 0) $f) (func $f (result i32) (i32.const 7)))'
    )
    starts = device.load(
        '(module (import "a" "t" (table 1 funcref)) (elem (i32.const 0) $f) (start $f) (func $f))',
    )
    with pytest.raises(device.port.Error, match="has a start function"):
        starts.instantiate(stack_size=0, imports={"a": owner})
    assert owner.exports.t[0]() == 7


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_a_start_function_has_put_into_others_tables_stays_callable_after_an_exception_of_python(device, error):
    """As after a trap (standard, 4.5.4, note at instantiation). Found by tests/fuzz/systems: the entry became null."""
    owner = device.instantiate(
        '(module (table (export "t") 1 funcref)'
        ' (func (export "f") (result i32) (call_indirect (result i32) (i32.const 0))))'
    )
    starts = device.load(
        '(module (import "a" "t" (table 1 funcref)) (import "host" "fail" (func $fail)) (elem (i32.const 0) $seven)'
        " (start $fail) (func $seven (result i32) (i32.const 7)))",
    )

    def fail():
        raise error

    with pytest.raises(error):
        starts.instantiate(imports={"a": owner, "host": {"fail": fail}})
    assert owner.exports.f() == 7
    device.runtime.heap.check()
