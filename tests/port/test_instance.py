"""Instantiation, linking, the heap before and after."""

import pytest

MEMORY = """(module
  (memory (export "memory") 1 3)
  (data (i32.const 16) "hello") (data $p "passive!")
  (global (export "g") (mut i64) (i64.const -5))
  (global (export "k") f64 (f64.const 0.25))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "bump") (result i64) (global.set 0 (i64.add (global.get 0) (i64.const 1))) (global.get 0))
  (func (export "init") (param i32 i32 i32) (memory.init $p (local.get 0) (local.get 1) (local.get 2)))
  (func (export "drop") (data.drop $p)))"""
TABLE = """(module
  (type $t (func (result i32)))
  (table (export "table") 4 8 funcref)
  (elem $p func $one $two)
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "call") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
  (func (export "init") (param i32 i32 i32) (table.init $p (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy") (param i32 i32 i32) (table.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "drop") (elem.drop $p)))"""
PROVIDER = """(module
  (memory (export "memory") 1 2)
  (table (export "table") 4 funcref)
  (type $t (func (result i32)))
  (global $g (export "global") (mut i32) (i32.const 10))
  (func (export "call") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
  (func (export "get") (result i32) (i32.load (i32.const 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "sub") (param i32 i32) (result i32)
    (i32.sub (i32.add (local.get 0) (global.get $g)) (local.get 1))))"""
USER = """(module
  (import "p" "sub" (func $sub (param i32 i32) (result i32)))
  (import "p" "memory" (memory 1))
  (import "p" "global" (global $g (mut i32)))
  (import "p" "table" (table 2 funcref))
  (elem (i32.const 1) $seven)
  (func $seven (result i32) (i32.const 7))
  (func (export "sub") (param i32) (result i32) (call $sub (local.get 0) (i32.const 3)))
  (func (export "put") (param i32) (i32.store (i32.const 0) (local.get 0)))
  (func (export "far") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "set") (param i32) (global.set $g (local.get 0))))"""


def test_memory(device):
    instance = device.instantiate(MEMORY)
    memory = instance.memory
    assert memory[16:21] == b"hello"
    assert memory[:4] == bytes(4)
    memory[100:103] = b"abc"
    memory[103] = 7
    assert [instance.exports.load(i) for i in range(100, 105)] == [97, 98, 99, 7, 0]
    assert memory[101] == 98
    assert memory.size == len(memory) == 65536
    assert memory.pages == 1
    assert memory[65535:] == b"\0"
    assert memory.read(16, 5) == b"hello"
    for key in (65536, -1, slice(0, 65537), slice(-4, 3), slice(5, 3)):
        with pytest.raises(IndexError):
            memory[key]
    with pytest.raises(IndexError):
        memory[65534:65537] = b"abc"
    with pytest.raises(ValueError, match="2 bytes assigned to 3"):
        memory[0:3] = b"ab"


def test_exports_are_kept_until_the_instance_ends(device):
    instance = device.instantiate(MEMORY)
    exports = instance.exports
    assert exports.load is exports.load
    instance.deinstantiate()
    with pytest.raises(device.port.Error, match="was destroyed"):
        exports.load  # noqa: B018


def test_memory_is_where_it_grew_to(make_device):
    device = make_device(300_000)
    instance = device.instantiate(MEMORY)
    memory = instance.memory
    memory[70] = 7
    instance.exports.grow(1)
    memory[65536:65538] = b"up"
    assert (memory[70], instance.exports.load(65537), len(memory)) == (7, ord("p"), 131072)
    instance.deinstantiate()
    with pytest.raises(device.port.Error, match="was destroyed"):
        memory[70]


def test_memory_grow(make_device):
    device = make_device(300_000)
    instance = device.instantiate(MEMORY)
    exports = instance.exports
    assert exports.grow(0) == 1
    assert exports.grow(1) == 1
    assert exports.size() == 2
    assert instance.memory.size == 131072
    assert instance.memory[16:21] == b"hello"
    assert instance.memory[65536:] == bytes(65536)
    assert exports.load(131071) == 0
    with pytest.raises(device.port.Trap):
        exports.load(131072)
    assert exports.grow(2) == -1
    with pytest.raises(device.port.OutOfHeap, match="cannot grow by 5 pages"):
        instance.memory.grow(5)
    instance.deinstantiate()
    device.runtime.heap.check()


def test_globals(device):
    instance = device.instantiate(MEMORY)
    assert instance.exports.g.value == -5
    assert instance.exports.bump() == -4
    assert instance.exports.g.value == -4
    instance.exports.g.value = 1 << 40
    assert instance.exports.bump() == (1 << 40) + 1
    assert instance.exports.k.value == 0.25
    with pytest.raises(TypeError, match="not mutable"):
        instance.exports.k.value = 1.0


def test_memory_init(device):
    instance = device.instantiate(MEMORY)
    instance.exports.init(200, 1, 4)
    assert instance.memory[200:205] == b"assi\0"
    for args in ((65533, 0, 4), (0, 5, 4), (0, 9, 0)):
        with pytest.raises(device.port.Trap, match="out of bounds memory access"):
            instance.exports.init(*args)
    instance.exports.drop()
    instance.exports.init(0, 0, 0)
    with pytest.raises(device.port.Trap):
        instance.exports.init(0, 0, 1)


def test_table(device):
    instance = device.instantiate(TABLE)
    exports, table = instance.exports, instance.exports.table
    assert len(table) == 4
    assert table[0] is None
    exports.init(1, 0, 2)
    assert [exports.call(1), exports.call(2)] == [1, 2]
    assert table[1]() == 1
    exports.copy(2, 1, 2)
    assert [exports.call(i) for i in (1, 2, 3)] == [1, 1, 2]
    for args in ((3, 0, 2), (0, 1, 2)):
        with pytest.raises(device.port.Trap, match="out of bounds table access"):
            exports.init(*args)
    with pytest.raises(device.port.Trap, match="out of bounds table access"):
        exports.copy(3, 0, 2)
    exports.drop()
    with pytest.raises(device.port.Trap):
        exports.init(0, 0, 1)
    table[0] = exports.one
    assert exports.call(0) == 1
    table[1] = None
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        exports.call(1)
    assert table.grow(2) == 4
    assert exports.call(3) == 2
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        exports.call(5)
    with pytest.raises(device.port.Trap, match="undefined element"):
        exports.call(6)
    instance.deinstantiate()
    device.runtime.heap.check()


@pytest.mark.parametrize("whole", [True, False])
def test_linking(make_device, whole):
    device = make_device(300_000)
    provider = device.instantiate(PROVIDER)
    names = ("sub", "memory", "global", "table")
    given = provider if whole else {n: getattr(provider.exports, n) for n in names}
    user = device.instantiate(USER, imports={"p": given})
    assert user.exports.sub(5) == 12
    user.exports.put(1234)
    assert provider.exports.get() == 1234
    user.exports.set(20)
    assert provider.exports.get() == 1234
    assert user.exports.sub(5) == 22
    assert provider.exports.call(1) == 7
    assert provider.exports.grow(1) == 1
    assert user.exports.far(131068) == 0
    assert user.exports.sub(5) == 22
    with pytest.raises(device.port.Error, match="another instance imports from this one"):
        provider.deinstantiate()
    user.deinstantiate()
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        provider.exports.call(1)
    provider.deinstantiate()
    device.runtime.heap.check()


def provided(provider, **other):
    return {"p": {n: getattr(provider.exports, n) for n in ("sub", "memory", "global", "table")} | other}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sub", None, r"import p.sub \(function ii:i\) is missing"),
        ("sub", 5, "import p.sub must be a function ii:i, int given"),
        ("sub", "get", "import p.sub must be a function ii:i, :i given"),
        ("memory", 5, "import p.memory must be a memory of another instance, int given"),
        ("global", 5, "import p.global must be a mutable global i32, int given"),
        ("table", "memory", "import p.table must be a table of another instance, Memory given"),
    ],
)
def test_wrong_imports(device, name, value, text):
    provider = device.instantiate(PROVIDER)
    if isinstance(value, str):
        value = getattr(provider.exports, value)
    before = device.runtime.heap.used()
    module = device.load(USER)
    with pytest.raises(device.port.LinkError, match=text):
        module.instantiate(imports=provided(provider, **{name: value}))
    assert device.runtime.heap.used() == before
    assert module.instances == []
    device.runtime.heap.check()
    module.unload()


def test_limits_of_imports(device):
    provider = device.instantiate(PROVIDER)
    for text, message in (
        ('(module (import "p" "memory" (memory 2)))', "at least 2 pages, it has 1"),
        ('(module (import "p" "memory" (memory 1 1)))', "maximum of 1 pages or less, it has 2"),
        ('(module (import "p" "table" (table 5 funcref)))', "at least 5 entries, it has 4"),
        (
            '(module (import "p" "table" (table 1 9 funcref)))',
            "maximum of 9 entries or less, it has no maximum",
        ),
        (
            '(module (import "p" "global" (global i32)))',
            "an immutable global i32, a mutable global i32 given",
        ),
    ):
        with pytest.raises(device.port.LinkError, match=message):
            device.instantiate(text, imports=provided(provider))


def test_constant_for_a_global(device):
    text = """(module (import "e" "g" (global $g f64)) (import "e" "i" (global i32))
        (memory 1) (data (global.get 1) "x")
        (func (export "get") (result f64) (global.get $g)))"""
    before = device.runtime.heap.used()
    instance = device.instantiate(text, imports={"e": {"g": 1.5, "i": 3}})
    assert instance.exports.get() == 1.5
    instance.deinstantiate()
    assert device.runtime.heap.used() == before


def test_heap_too_small(make_device):
    device = make_device(66_500)
    module = device.load(MEMORY)
    before = device.runtime.heap.used()
    with pytest.raises(device.port.OutOfHeap, match="no room in the global heap for an exec env: 2096 bytes wanted"):
        module.instantiate()
    assert device.runtime.heap.used() == before
    assert device.runtime.instances == module.instances == []
    module.instantiate(stack_size=512)


def test_active_segments_trap(device):
    before = device.runtime.heap.used()
    for text, message in (
        ('(module (memory 1) (data (i32.const 65534) "abc"))', "out of bounds memory access"),
        ("(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))", "out of bounds table access"),
        ("(module (func $f unreachable) (start $f))", "unreachable"),
    ):
        with pytest.raises(device.port.Trap, match=message):
            device.instantiate(text)
    assert device.runtime.heap.used() == before
    assert device.runtime.instances == []


def test_start(device):
    seen = []
    device.instantiate(
        '(module (import "e" "f" (func $f (param i32))) (func $s (call $f (i32.const 3))) (start $s))',
        imports={"e": {"f": seen.append}},
    )
    assert seen == [3]


def test_two_instances(device):
    module = device.load(
        '(module (global $g (mut i32) (i32.const 0)) (func (export "n") (result i32)'
        " (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g)))"
    )
    one, two = module.instantiate(), module.instantiate()
    assert [one.exports.n(), one.exports.n(), two.exports.n()] == [1, 2, 1]
    with pytest.raises(device.port.Error, match="2 instances"):
        module.unload()
    one.deinstantiate()
    assert two.exports.n() == 2
    with pytest.raises(device.port.Error, match="destroyed"):
        one.exports.n()


def test_used_heap_is_small(device):
    module = device.load(MEMORY.replace("1 3", "1 1"))
    before = device.runtime.heap.used()
    instance = module.instantiate(stack_size=1024)
    assert device.runtime.heap.used() - before - 65536 - 1024 <= 160
    instance.deinstantiate()
    assert device.runtime.heap.used() == before


def test_code_stays_where_it_is(device):
    """A trap's address lies in the image, and RAM does not grow with code."""
    used = []
    for copies in (1, 50):
        body = "".join(
            f'(func (export "f{i}") (result i32) (i32.const {i}) (i32.div_u (i32.const 0)))' for i in range(copies)
        )
        before = device.runtime.heap.used()
        instance = device.instantiate(f"(module {body})")
        used.append(device.runtime.heap.used() - before)
        with pytest.raises(device.port.Trap) as caught:
            instance.exports.f0()
        assert instance.module.base <= caught.value.pc < instance.module.base + instance.module.size
    assert used[0] == used[1]


def test_destroy(device):
    device.instantiate(MEMORY)
    device.runtime.destroy()
    with pytest.raises(device.port.Error, match="destroyed"):
        device.load(MEMORY)
