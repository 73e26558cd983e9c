"""The modules of the state machine. What each function does is said once more, in Python, in model.py.

No function has an effect before it calls another, so that one that finds its operand stack full has done nothing
(backt: nothing but its first call).
"""

from __future__ import annotations

_OWN = """
  (func (export "get") (param i32) (result i32) (global.get $gi))
  (func (export "set") (param i32) (result i32) (global.set $gi (local.get 0)) (i32.const 0))
"""
_MEMORY = """
  (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "last") (param i32) (result i32) (i32.load8_u offset=65535 (local.get 0)))
  (func (export "poke") (param i32) (result i32) (i32.store8 (local.get 0) (i32.const 77)) (i32.const 0))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
"""
_TABLE = """
  (func (export "callt") (param i32) (result i32)
    (call_indirect $t (param i32) (result i32) (local.get 0) (local.get 0)))
  (func (export "move") (param i32) (result i32)
    (table.set $t (i32.const 0) (table.get $t (local.get 0))) (i32.const 0))
  (func (export "keep") (param i32) (result i32) (global.set $gp (table.get $t (local.get 0))) (i32.const 0))
  (func (export "put") (param i32) (result i32) (table.set $t (local.get 0) (global.get $gp)) (i32.const 0))
  (func (export "tgrow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
"""
_CALLS = """
  (func $back (export "back") (param i32) (result i32) (i32.add (call $host (local.get 0)) (i32.const 1)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (call $host (i32.const 1)))
      (else (i32.rotl (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))))
"""
# calls twice: what the import did in between may have changed what is called, and what the stack must have room for
_TWO = """
  (func (export "backt") (param i32) (result i32)
    (drop (call $host (local.get 0)))
    (call_indirect $t (param i32) (result i32) (local.get 0) (i32.const 1)))
"""
COUNT = 40  # of values that live at once: too many for registers, so that the frame is large
_FIRST = " ".join(
    f"(local.set {i} (i64.extend_i32_u (i32.add (local.get 0) (i32.const {i}))))" for i in range(1, COUNT + 1)
)
_ROUND = " ".join(
    f"(local.set {i} (i64.add (i64.mul (local.get {i}) (i64.const {2 * i + 1})) (local.get {i % COUNT + 1})))"
    for i in range(1, COUNT + 1)
)
_LAST = " ".join(f"(local.set 0 (i32.xor (local.get 0) (i32.wrap_i64 (local.get {i}))))" for i in range(1, COUNT + 1))
_WIDE_LEAF = f"""
  (func (export "wide") (param i32) (result i32) (local {"i64 " * COUNT} i32)
    {_FIRST}
    (local.set {COUNT + 1} (i32.const 3))
    (loop {_ROUND}
      (br_if 0 (local.tee {COUNT + 1} (i32.sub (local.get {COUNT + 1}) (i32.const 1)))))
    (local.set 0 (i32.const 0))
    {_LAST}
    (i32.and (local.get 0) (i32.const 1)))
"""

TEXTS = {
    # owns everything
    "A": f"""(module (import "host" "back" (func $host (param i32) (result i32)))
  (memory (export "m") 1 3) (table $t (export "t") 4 12 funcref) (table $x (export "x") 2 6 externref)
  (global $gi (export "gi") (mut i32) (i32.const 5)) (global $gp (export "gp") (mut funcref) (ref.null func))
  (global (export "gx") (mut externref) (ref.null extern)) (global (export "c") i32 (i32.const 9))
  (elem (i32.const 1) $add $back)
  (func $add (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 10)))
  (func (export "other") (param i64))
  {_OWN} {_MEMORY} {_TABLE} {_CALLS} {_TWO})""",
    # shares what A owns, and exports A's function again
    "B": f"""(module (import "host" "back" (func $host (param i32) (result i32)))
  (import "a" "add" (func $add (param i32) (result i32))) (import "a" "m" (memory 1))
  (import "a" "back" (func $aback (param i32) (result i32))) (export "aback" (func $aback))
  (import "a" "t" (table $t 4 funcref)) (import "a" "gi" (global $gi (mut i32)))
  (import "a" "gp" (global $gp (mut funcref))) (import "a" "gx" (global (mut externref)))
  (export "add" (func $add)) (export "m" (memory 0)) (export "t" (table $t)) (export "gi" (global $gi))
  (func $twice (export "twice") (param i32) (result i32) (i32.add (call $add (local.get 0)) (i32.const 20)))
  (elem declare func $twice)
  {_OWN} {_MEMORY} {_TABLE} {_CALLS} {_TWO})""",
    # has A's function at third hand, and its own table, which only its own code grows
    "C": f"""(module (import "host" "back" (func $host (param i32) (result i32)))
  (import "b" "add" (func $add (param i32) (result i32))) (import "b" "twice" (func $b (param i32) (result i32)))
  (table $t (export "t") 3 9 funcref) (global $gi (export "gi") (mut i32) (i32.const 6))
  (global $gp (export "gp") (mut funcref) (ref.func $add))
  (export "add" (func $add))
  (elem (i32.const 0) $add $b)
  (func $twice (export "twice") (param i32) (result i32) (i32.add (call $b (local.get 0)) (i32.const 30)))
  (elem declare func $twice)
  {_OWN} {_TABLE} {_CALLS} {_TWO})""",
    # a leaf whose frame is larger than all others
    "D": f"""(module (import "host" "back" (func $host (param i32) (result i32)))
  (global $gi (export "gi") (mut i32) (i32.const 7))
  (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 40)))
  {_OWN} {_CALLS} {_WIDE_LEAF})""",
    # puts its function into A's table, and has a start function that comes back, and traps where that gives 0
    "S": f"""(module (import "host" "back" (func $host (param i32) (result i32)))
  (import "a" "t" (table $t 4 funcref)) (global $gi (export "gi") (mut i32) (i32.const 8))
  (elem (table $t) (i32.const 3) func $add)
  (func $add (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 50)))
  (func $start (if (i32.eqz (call $host (i32.const 7))) (then unreachable))) (start $start)
  {_OWN} {_CALLS})""",
}
