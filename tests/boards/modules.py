"""Modules that lie in the flash of every board of these tests."""

from __future__ import annotations

from insitu.board.record import Board

HEAP = 24_000


def _steps(count: int) -> str:
    """Work that no optimiser shortens: a chain in which every step needs the one before."""
    return "".join(
        f"(local.set 0 (i32.rotl (i32.xor (local.get 0) (i32.const {i * 2654435761 % (1 << 32)})) "
        f"(i32.and (local.get 0) (i32.const {i % 31 + 1}))))"
        for i in range(count)
    )


def _work(count: int) -> str:
    return f"""(module (memory (export "memory") 1) (global (export "__data_end") i32 (i32.const 16))
      (global (export "__heap_base") i32 (i32.const 16)) (data (i32.const 0) "sixteen bytes...")
      (func (export "work") (param i32) (result i32) {_steps(count)} (local.get 0)))"""


_WIDE = 24  # i64 locals that live across a call: some 200 bytes of frame

_FIELD = 60  # i64 locals of a leaf

# What a word on the aux stack was before env.wait, its result and that word behind it.
HELD = """(module (import "env" "wait" (func $wait (param i32) (result i32)))
  (memory (export "memory") 1) (global $sp (mut i32) (i32.const 1024))
  (global (export "__data_end") i32 (i32.const 1024)) (global (export "__heap_base") i32 (i32.const 1024))
  (func (export "held") (param i32) (result i32) (local $at i32)
    (global.set $sp (local.tee $at (i32.sub (global.get $sp) (i32.const 64))))
    (i32.store offset=8 (local.get $at) (local.get 0))
    (local.set 0 (call $wait (local.get 0)))
    (local.set 0 (i32.add (i32.mul (i32.const 1000) (local.get 0)) (i32.load offset=8 (local.get $at))))
    (global.set $sp (i32.add (local.get $at) (i32.const 64)))
    (local.get 0)))"""
TEXTS = {
    "add": """(module
      (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
      (func (export "mix") (param i64 f32 i32) (result f32 i64)
        (f32.mul (local.get 1) (f32.convert_i32_s (local.get 2))) (i64.sub (local.get 0) (i64.const 1))))""",
    "traps": """(module
      (memory (export "memory") 1)
      (global (export "__data_end") i32 (i32.const 1024)) (global (export "__heap_base") i32 (i32.const 1024))
      (table 4 funcref) (elem (i32.const 1) $wrong)
      (type $t (func (param i32) (result i32)))
      (func $wrong (param i64))
      (func $stop (export "stop") unreachable)
      (func $load (export "load") (param i32) (result i32) (i32.load (local.get 0)))
      (func $divide (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
      (func $convert (export "convert") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
      (func $indirect (export "indirect") (param i32) (result i32)
        (call_indirect (type $t) (i32.const 1) (local.get 0)))
      (func $fill (export "fill") (param i32) (memory.fill (local.get 0) (i32.const 0) (i32.const 9)))
      (func (export "fine") (result i32) (i32.const 77)))""",
    "recursion": f"""(module
      (import "env" "again" (func $again (param i32) (result i32)))
      (table 1 funcref) (elem (i32.const 0) $pointed)
      (type $t (func (param i32) (result i32)))
      (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func $even (export "even") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.xor (i32.const 3) (call $odd (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 1))))
      (func $odd (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.xor (i32.const 5) (call $even (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 2))))
      (func $pointed (export "pointed") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1)
            (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
          (else (i32.const 0))))
      (func $narrow (export "narrow") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $again (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func $wide (export "wide") (param i32) (result i32) {"(local i64)" * _WIDE}
        {
        "".join(
            f"(local.set {i + 1} (i64.extend_i32_s (i32.mul (local.get 0) (i32.const {i * i + 3}))))"
            for i in range(_WIDE)
        )
    }
        (if (result i32) (local.get 0)
          (then (call $again (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0)))
        {"".join(f"(i32.wrap_i64 (i64.rem_u (local.get {i + 1}) (i64.const {i + 5}))) i32.add" for i in range(_WIDE))}
      ))""",
    "aux": """(module (memory 1) (global $sp (mut i32) (i32.const 512))
      (global (export "__data_end") i32 (i32.const 600)) (global (export "__heap_base") i32 (i32.const 608))
      (data (i32.const 512) "not to be overwritten")
      (func $down (export "down") (param i32) (result i32)
        (global.set $sp (i32.sub (global.get $sp) (i32.const 32)))
        (i32.store (global.get $sp) (i32.add (local.get 0) (i32.const 1)))
        (if (local.get 0) (then (drop (call $down (i32.sub (local.get 0) (i32.const 1))))))
        (i32.load (global.get $sp))
        (global.set $sp (i32.add (global.get $sp) (i32.const 32))))
      (func (export "up") (global.set $sp (i32.const 528))))""",
    "imports": """(module
      (import "env" "f" (func $f (param i32) (result i32)))
      (import "env" "k" (global $k i32))
      (func (export "f") (param i32) (result i32) (i32.add (global.get $k) (call $f (local.get 0)))))""",
    "wants add": """(module
      (import "math" "add" (func $add (param i32 i32) (result i32)))
      (func (export "twice") (param i32) (result i32) (call $add (local.get 0) (local.get 0))))""",
    "wants mix": '(module (import "math" "add" (func (param i64) (result i64))))',
    "wants memory": '(module (import "math" "memory" (memory 1)))',
    "large memory": '(module (memory 2 3) (func (export "go") (drop (memory.grow (i32.const 1)))))',
    "small code": _work(12),
    "ten times the code": _work(300),
    "truncated": """(module (memory (export "memory") 1)
      (global (export "__data_end") i32 (i32.const 1040)) (global (export "__heap_base") i32 (i32.const 1040)))""",
    "relies": """(module (import "a" "memory" (memory 1))
      (func (export "load") (result i32) (i32.load offset=1040 (i32.const 0))))""",
    "many tables": f"""(module {"(table 0 funcref)" * 1023} (table $last 2 10 funcref) (elem $e func $f)
      (func $f (result i32) (i32.const 7))
      (func (export "go") (result i32)
        (table.init 1023 $e (i32.const 1) (i32.const 0) (i32.const 1))
        (table.copy 1023 1023 (i32.const 0) (i32.const 1) (i32.const 1))
        (drop (table.grow 1023 (ref.func $f) (i32.const 3)))
        (table.fill 1023 (i32.const 2) (ref.null func) (i32.const 1))
        (i32.add (call_indirect 1023 (result i32) (i32.const 0)) (call_indirect 1023 (result i32) (i32.const 4)))))""",
    "interrupted": """(module
      (import "env" "note" (func $note (param i32) (result i32)))
      (import "env" "float" (func $float (param i64 f32 i32) (result f64)))
      (import "env" "same" (func $same (param externref) (result externref)))
      (memory (export "memory") 0 2)
      (func $deep (export "deep") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (local.get 0) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func (export "over") (param i64 f32) (result f32 i64) (f32.mul (local.get 1) (f32.const 2))
        (i64.sub (local.get 0) (i64.const 1)))
      (func (export "five") (param i32 i32 i32 i32 i32) (result i32)
        (i32.sub (i32.add (local.get 0) (i32.mul (local.get 1) (local.get 2))) (i32.mul (local.get 3) (local.get 4))))
      (func (export "word") (param i32) (result i32)
        (i32.sub (call $note (local.get 0)) (call $note (i32.const 20))))
      (func (export "large") (param i32) (result i32) (i32.mul (call $note (local.get 0)) (i32.const 0x40000000)))
      (func (export "pair") (param i32) (result i32 i64) (call $note (local.get 0)) (i64.const -6000000000))
      (func (export "float") (param i64) (result f64) (drop (call $note (i32.const 1)))
        (call $float (local.get 0) (f32.const 0.5) (i32.const 8)))
      (func (export "grow") (param i32) (result i32) (drop (call $note (i32.const 1)))
        (memory.grow (local.get 0)))
      (func $trap (export "trap") (result i32) (i32.div_s (i32.const 1) (call $note (i32.const 0))))
      (func (export "same") (param externref) (result externref) (drop (call $note (i32.const 1)))
        (call $same (local.get 0))))""",
    "caller": """(module (import "env" "call" (func $call (param i32) (result i32))) (memory 0 2)
      (table (export "table") 2 9 funcref) (global (export "v") (mut i32) (i32.const 5))
      (func $down (export "down") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
          (else (call $call (i32.const 0)))))
      (func (export "divide") (param f64 i64) (result f64)
        (f64.div (local.get 0) (f64.convert_i64_s (local.get 1))))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (export "call" (func $call))
      (func (export "seven") (result i32) (i32.const 7)))""",
    "held": HELD,
    "larger guard": f"""(module (memory 1) (global (export "__data_end") i32 (i32.const 512))
      (global (export "__heap_base") i32 (i32.const 512)) (func (export "wide") (result i64) {"(local i64)" * _FIELD}
      {"".join(f"(local.set {i} (i64.load (i32.const {8 * i})))" for i in range(_FIELD))}
      {
        "".join(
            f"(i64.store (i32.const {8 * i}) (i64.mul (local.get {i}) (local.get {i // 2})))" for i in range(_FIELD)
        )
    } (local.get 1)))""",
    "for another CPU": '(module (func (export "go")))',
}


def target(name: str, board: Board) -> str:
    """The target that the module is built for."""
    if name != "for another CPU":
        return board.target
    return "cortex-m3" if board.target == "rv32imc" else "rv32imc"
