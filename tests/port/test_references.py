"""funcref and externref: in parameters, results, locals, globals and tables, in segments, and given back."""

import gc
import weakref

import pytest

FUNCREFS = """(module
  (type $i (func (result i32)))
  (import "e" "py" (func $py (result i32)))
  (import "e" "swap" (func $swap (param funcref externref) (result externref funcref)))
  (table $t (export "t") 4 funcref)
  (table $u (export "u") 2 20 funcref)
  (global $g (export "g") (mut funcref) (ref.func $one))
  (global $n (export "n") funcref (ref.null func))
  (elem declare func $two $py)
  (elem (table $u) (i32.const 1) funcref (ref.func $two))
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func (export "get") (param i32) (result funcref) (table.get $t (local.get 0)))
  (func (export "set") (param i32 funcref) (table.set $t (local.get 0) (local.get 1)))
  (func (export "is_null") (param funcref) (result i32) (ref.is_null (local.get 0)))
  (func (export "fresh") (result i32) (local funcref externref)
    (i32.add (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))
  (func (export "second") (result funcref) (ref.func $two))
  (func (export "python") (result funcref) (ref.func $py))
  (func (export "choose") (param funcref funcref i32) (result funcref)
    (select (result funcref) (local.get 0) (local.get 1) (local.get 2)))
  (func (export "swapped") (param externref funcref) (result funcref externref) (local externref)
    (call $swap (local.get 1) (local.get 0)) (local.set 1) (local.set 2) (local.get 1) (local.get 2))
  (func (export "keep") (param funcref) (global.set $g (local.get 0)))
  (func (export "kept") (result i32) (table.set $t (i32.const 3) (global.get $g))
    (call_indirect $t (type $i) (i32.const 3)))
  (func (export "call_t") (param i32) (result i32) (call_indirect $t (type $i) (local.get 0)))
  (func (export "call_u") (param i32) (result i32) (call_indirect $u (type $i) (local.get 0)))
  (func (export "call_other") (param i32) (result i64) (call_indirect $u (result i64) (local.get 0)))
  (func (export "size") (result i32) (table.size $u))
  (func (export "grow") (param funcref i32) (result i32) (table.grow $u (local.get 0) (local.get 1)))
  (func (export "fill") (param i32 funcref i32) (table.fill $u (local.get 0) (local.get 1) (local.get 2)))
  (func (export "t_to_u") (param i32 i32 i32) (table.copy $u $t (local.get 0) (local.get 1) (local.get 2))))"""
EXTERNREFS = """(module
  (import "e" "new" (func $new (result externref)))
  (import "e" "use" (func $use (param externref)))
  (import "e" "constant" (global $c externref))
  (table $t (export "t") 3 30 externref)
  (elem $e externref (global.get $c) (ref.null extern))
  (elem (table $t) (i32.const 2) externref (global.get $c))
  (global $g (export "g") (mut externref) (ref.null extern))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "get") (param i32) (result externref) (table.get $t (local.get 0)))
  (func (export "set") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
  (func (export "clear") (param i32) (table.set $t (local.get 0) (ref.null extern)))
  (func (export "is_null") (param externref) (result i32) (ref.is_null (local.get 0)))
  (func (export "keep") (param externref) (global.set $g (local.get 0)))
  (func (export "kept") (result externref) (global.get $g))
  (func (export "constant") (result externref) (global.get $c))
  (func (export "init") (param i32 i32 i32) (table.init $t $e (local.get 0) (local.get 1) (local.get 2)))
  (func (export "grow") (param externref i32) (result i32) (table.grow $t (local.get 0) (local.get 1)))
  (func (export "fill") (param i32 externref i32) (table.fill $t (local.get 0) (local.get 1) (local.get 2)))
  (func (export "many") (param i32) (local externref) (local.set 1 (call $new))
    (loop (drop (call $new)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $use (local.get 1)))
  (func (export "trap") (param externref) unreachable))"""


class Thing:
    """What externrefs are made of here."""


def funcrefs(device, swap=None):
    return device.instantiate(FUNCREFS, imports={"e": {"py": lambda: 77, "swap": swap or (lambda f, x: (x, f))}})


def externrefs(device, new=Thing, use=id, constant="constant"):
    return device.instantiate(EXTERNREFS, imports={"e": {"new": new, "use": use, "constant": constant}})


def test_funcref_values(device):
    e = funcrefs(device).exports
    assert e.get(0) is None
    assert e.is_null(None) == 1
    assert e.is_null(e.one) == 0
    assert e.fresh() == 2
    assert e.second()() == 2
    assert e.python()() == 77
    assert e.choose(e.one, e.second(), 1)() == 1
    assert e.choose(e.one, e.second(), 0)() == 2
    assert e.choose(e.one, None, 0) is None
    with pytest.raises(TypeError, match=r"argument 1 must be a function of an instance or None \(funcref\)"):
        e.is_null(5)
    with pytest.raises(TypeError, match="argument 1 must be a function of an instance"):
        e.is_null(device.runtime)


def test_funcref_and_externref_through_python(device):
    seen = []

    def swap(function, thing):
        seen.append((function(), thing))
        return thing, function

    e = funcrefs(device, swap).exports
    function, thing = e.swapped("thing", e.second())
    assert (function(), thing) == (2, "thing")
    assert seen == [(2, "thing")]


def test_funcref_results_of_python_are_checked(device):
    e = funcrefs(device, lambda f, x: (x, "no function")).exports
    with pytest.raises(TypeError, match="import e.swap: result 2 must be a function"):
        e.swapped("thing", e.one)


def test_funcref_globals(device):
    instance = funcrefs(device)
    e = instance.exports
    assert e.kept() == 1
    assert e.g.value() == 1
    assert e.n.value is None
    e.keep(e.second())
    assert e.kept() == 2
    e.g.value = e.one
    assert e.kept() == 1
    e.g.value = None
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        e.kept()


def test_several_tables(device):
    e = funcrefs(device).exports
    assert e.call_u(1) == 2
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        e.call_u(0)
    with pytest.raises(device.port.Trap, match="uninitialized element"):
        e.call_t(1)
    with pytest.raises(device.port.Trap, match="undefined element"):
        e.call_u(2)
    with pytest.raises(device.port.Trap, match="indirect call type mismatch"):
        e.call_other(1)
    e.set(0, e.one)
    assert e.call_t(0) == 1
    e.set(1, e.python())
    assert e.call_t(1) == 77
    for call in (lambda: e.get(4), lambda: e.set(4, None), lambda: e.get(-1)):
        with pytest.raises(device.port.Trap, match="out of bounds table access"):
            call()
    e.t_to_u(0, 0, 2)
    assert [e.call_u(0), e.call_u(1)] == [1, 77]
    with pytest.raises(device.port.Trap, match="out of bounds table access"):
        e.t_to_u(1, 0, 2)


def test_table_grow_and_fill(device):
    instance = funcrefs(device)
    e = instance.exports
    assert e.size() == 2
    assert e.grow(e.one, 3) == 2
    assert e.grow(None, 0) == 5
    assert e.size() == len(e.u) == 5
    assert [e.call_u(i) for i in (1, 2, 3, 4)] == [2, 1, 1, 1]
    assert e.grow(None, 16) == -1
    assert e.grow(None, -1) == -1
    e.fill(2, e.second(), 2)
    assert [e.call_u(i) for i in (1, 2, 3, 4)] == [2, 2, 2, 1]
    e.fill(5, None, 0)
    for args in ((5, None, 1), (3, None, -1), (6, None, 0)):
        with pytest.raises(device.port.Trap, match="out of bounds table access"):
            e.fill(*args)
    assert e.call_u(4) == 1
    instance.deinstantiate()
    device.runtime.heap.check()


def test_externref_values(device):
    e = externrefs(device).exports
    for value in (None, 0, "text", [1], device, e.same, 1.5, False):
        assert e.same(value) is value
        assert e.is_null(value) == (value is None)
        e.set(1, value)
        assert e.get(1) is value
        assert e.t[1] is value
        e.keep(value)
        assert e.kept() is value
        assert e.g.value is value
    assert e.constant() == e.get(2) == "constant"
    e.t[0] = e.g.value = "python's"
    assert e.get(0) == e.kept() == "python's"


def test_externref_tables(device):
    e = externrefs(device).exports
    e.set(0, "0")
    e.init(0, 1, 1)
    assert e.get(0) is None
    e.init(1, 0, 2)
    assert [e.get(i) for i in range(3)] == [None, "constant", None]
    assert e.grow("new", 2) == 3
    assert [e.get(i) for i in (3, 4)] == ["new", "new"]
    assert e.grow("new", 40) == -1
    assert e.t.grow(1, "python's") == 5
    e.fill(0, "filled", 2)
    assert [e.get(i) for i in range(6)] == ["filled", "filled", None, "new", "new", "python's"]
    for call in (lambda: e.get(6), lambda: e.set(6, 1), lambda: e.fill(5, 1, 2), lambda: e.init(0, 1, 2)):
        with pytest.raises(device.port.Trap, match="out of bounds table access"):
            call()


def test_a_constant_that_is_null(device):
    assert externrefs(device, constant=None).exports.constant() is None
    text = '(module (import "e" "f" (global funcref)) (func (export "f") (result funcref) (global.get 0)))'
    assert device.instantiate(text, imports={"e": {"f": None}}).exports.f() is None
    one = funcrefs(device).exports.one
    assert device.instantiate(text, imports={"e": {"f": one}}).exports.f()() == 1
    with pytest.raises(device.port.LinkError, match="must be an immutable global funcref, int given"):
        device.instantiate(text, imports={"e": {"f": 5}})
    with pytest.raises(device.port.LinkError, match=r"unknown import e.f \(global\) is missing"):
        device.instantiate(text, imports={"e": {}})


def released(thing):
    gc.collect()
    return thing() is None


@pytest.mark.parametrize(
    ("hold", "drop"),
    [
        (lambda e, thing: e.same(thing), lambda e: None),
        (lambda e, thing: e.set(1, thing), lambda e: e.clear(1)),
        (lambda e, thing: e.set(1, thing), lambda e: e.init(1, 1, 1)),
        (lambda e, thing: e.set(1, thing), lambda e: e.fill(1, None, 1)),
        (lambda e, thing: e.grow(thing, 3), lambda e: e.fill(3, "other", 3)),
        (lambda e, thing: e.keep(thing), lambda e: e.keep(None)),
        (lambda e, thing: e.t.__setitem__(1, thing), lambda e: e.t.__setitem__(1, None)),
        (lambda e, thing: setattr(e.g, "value", thing), lambda e: setattr(e.g, "value", None)),
    ],
    ids=["argument", "table.set", "table.init", "table.fill", "table.grow", "global.set", "table", "global"],
)
def test_released(device, hold, drop):
    """An object lives as long as a table or global holds it."""
    e = externrefs(device).exports
    kept = Thing()
    e.set(0, kept)
    thing = Thing()
    seen = weakref.ref(thing)
    hold(e, thing)
    held = thing in device.runtime.references
    del thing
    assert released(seen) != held
    drop(e)
    assert released(seen)
    assert e.get(0) is kept


def test_released_after_a_trap_and_with_the_instance(device):
    instance = externrefs(device, constant=None)
    e = instance.exports
    thing = Thing()
    seen = weakref.ref(thing)
    with pytest.raises(device.port.Trap, match="unreachable"):
        e.trap(thing)
    del thing
    assert released(seen)
    thing = Thing()
    seen = weakref.ref(thing)
    e.keep(thing)
    del thing
    assert not released(seen)
    instance.deinstantiate()
    assert released(seen)
    assert device.runtime.references == []


def test_a_call_that_makes_many(device):
    """A running frame keeps what it holds; what it dropped is let go before the call ends."""
    made, used, most = [], [], 0

    def new():
        nonlocal most
        thing = Thing()
        made.append(weakref.ref(thing))
        gc.collect() if len(made) % 100 == 0 else None
        most = max(most, sum(ref() is not None for ref in made))
        return thing

    e = externrefs(device, new, used.append).exports
    e.set(1, "kept")
    e.many(500)
    assert used[0] is made[0]()
    assert most < 50
    assert e.get(1) == "kept"
    used.clear()
    gc.collect()
    assert all(ref() is None for ref in made)


def test_nested_calls_keep_what_outer_frames_hold(device):
    used = []

    def new():
        thing = Thing()
        for i in range(40):
            assert e.same(i) == i
        return thing

    instance = externrefs(device, new, used.append)
    e = instance.exports
    e.many(3)
    assert isinstance(used[0], Thing)


def test_released_when_the_outermost_call_ends(device):
    """An inner call's externref goes with the outer one, whose module has none."""
    inner, seen = externrefs(device).exports, []

    def call():
        thing = Thing()
        seen.append(weakref.ref(thing))
        inner.same(thing)

    text = '(module (import "e" "call" (func $call)) (func (export "run") (call $call)))'
    outer = device.instantiate(text, imports={"e": {"call": call}})
    outer.exports.run()
    assert released(seen[0])


CALLER = """(module
  (import "p" "set" (func $set (param i32 externref)))
  (func (export "put") (param i32) (call $set (local.get 0) (ref.null extern))))"""


def test_released_through_another_instance(device):
    """A module without externrefs of its own lets go of what it made another one drop."""
    provider = externrefs(device)
    user = device.instantiate(CALLER, imports={"p": provider})
    thing = Thing()
    seen = weakref.ref(thing)
    provider.exports.set(1, thing)
    del thing
    assert not released(seen)
    user.exports.put(1)
    assert released(seen)


def test_an_instance_whose_functions_run_stays(device):
    """What a frame may still call is not taken away, whoever runs it."""

    def swap(function, thing):
        with pytest.raises(device.port.Error, match="the instance is running, or code that is may hold a function"):
            other.deinstantiate()
        return thing, function

    runner, other = funcrefs(device, swap), funcrefs(device)
    assert runner.exports.swapped(None, other.exports.one)[0]() == 1
    runner.exports.keep(other.exports.one)
    other.deinstantiate()
    assert runner.exports.g.value is None


def test_functions_of_destroyed_instances_are_refused(device):
    runner, other = funcrefs(device), funcrefs(device)
    one = other.exports.one
    other.deinstantiate()
    with pytest.raises(TypeError, match="its instance was destroyed"):
        runner.exports.is_null(one)


def test_element_segments(device):
    """The eight encodings of the standard, 5.5.12."""
    text = """(module
      (table $a 8 funcref) (table $b 8 funcref)
      (func $f (result i32) (i32.const 1)) (func $g (result i32) (i32.const 2))
      (elem (i32.const 0) $f $g)
      (elem $p1 func $g $f)
      (elem (table $b) (i32.const 1) func $f)
      (elem declare func $f)
      (elem (i32.const 4) funcref (ref.func $g) (ref.null func))
      (elem $p5 funcref (ref.func $f) (ref.null func))
      (elem (table $b) (i32.const 4) funcref (ref.func $g))
      (elem declare funcref (ref.func $g))
      (func (export "a") (param i32) (result funcref) (table.get $a (local.get 0)))
      (func (export "b") (param i32) (result funcref) (table.get $b (local.get 0)))
      (func (export "init1") (table.init $b $p1 (i32.const 6) (i32.const 0) (i32.const 2)))
      (func (export "init5") (table.init $a $p5 (i32.const 6) (i32.const 0) (i32.const 2)))
      (func (export "drop") (elem.drop $p5)))"""
    e = device.instantiate(text).exports
    e.init1()
    e.init5()

    def values(get):
        return [f and f() for f in map(get, range(8))]

    assert values(e.a) == [1, 2, None, None, 2, None, 1, None]
    assert values(e.b) == [None, 1, None, None, 2, None, 2, 1]
    e.drop()
    with pytest.raises(device.port.Trap, match="out of bounds table access"):
        e.init5()
