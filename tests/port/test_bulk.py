"""memory.copy and memory.fill at all alignments and overlaps, each byte compared by loops over bytes."""

from __future__ import annotations

from typing import Any

# Around what is copied, 64 bytes that must stay as they are. Sizes on both sides of each way in aot/helpers.
SPAN = 300
SIZES = (*range(10), 15, 16, 17, *range(30, 42), *range(62, 73), 100)
TEXT = f"""(module (memory (export "memory") 1)
  (func $before (param $at i32) (result i32)
    (i32.and (i32.add (i32.mul (local.get $at) (i32.const 37)) (i32.const 11)) (i32.const 255)))
  (func $reset (local $at i32)
    (loop $next
      (i32.store8 (local.get $at) (call $before (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const {SPAN})))))
  (func $differ (param $to i32) (param $from i32) (param $size i32) (param $value i32) (result i32)
    (local $at i32) (local $wanted i32) (local $differ i32)
    (loop $next
      (local.set $wanted (call $before (local.get $at)))
      (if (i32.lt_u (i32.sub (local.get $at) (local.get $to)) (local.get $size))
        (then (local.set $wanted (if (result i32) (i32.lt_s (local.get $from) (i32.const 0))
          (then (i32.and (local.get $value) (i32.const 255)))
          (else (call $before (i32.add (i32.sub (local.get $at) (local.get $to)) (local.get $from))))))))
      (local.set $differ (i32.add (local.get $differ)
        (i32.ne (local.get $wanted) (i32.load8_u (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const {SPAN}))))
    (local.get $differ))
  (func (export "copies") (param $size i32) (result i32) (local $to i32) (local $from i32) (local $differ i32)
    (local.set $to (i32.const 100))
    (loop $destination
      (local.set $from (i32.const 64))
      (loop $source
        (call $reset)
        (memory.copy (local.get $to) (local.get $from) (local.get $size))
        (local.set $differ (i32.add (local.get $differ)
          (call $differ (local.get $to) (local.get $from) (local.get $size) (i32.const 0))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br_if $source (i32.lt_u (local.get $from) (i32.const 136))))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br_if $destination (i32.lt_u (local.get $to) (i32.const 104))))
    (local.get $differ))
  (func (export "fills") (param $size i32) (result i32) (local $to i32) (local $differ i32)
    (local.set $to (i32.const 64))
    (loop $destination
      (call $reset)
      (memory.fill (local.get $to) (i32.const 0x1a5) (local.get $size))
      (local.set $differ (i32.add (local.get $differ)
        (call $differ (local.get $to) (i32.const -1) (local.get $size) (i32.const 0x1a5))))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br_if $destination (i32.lt_u (local.get $to) (i32.const 68))))
    (local.get $differ)))"""


def test_copies_and_fills(device: Any) -> None:
    exports = device.instantiate(TEXT, stack_size=1024).exports
    assert [size for size in SIZES if exports.copies(size)] == []
    assert [size for size in SIZES if exports.fills(size)] == []
