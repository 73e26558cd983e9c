"""Damaged images: the loader refuses them, or they run without touching anything that is not theirs.

The simulated CPU maps the image, the global heap and its own stack, nothing else: an access outside is a fault.
Half of the images have their CRC repaired; in these the machine code itself is left alone, because whoever can write
code and its CRC can write any program (docs/SPEC.md).
"""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu import aot
from insitu.aot.window import Wanted
from insitu.port.xip import layout

from tests.rotate import first_of_today

IMAGES, CHUNK = 800, 200
FIRST = first_of_today(IMAGES)
FLASH = 0x08000000
BUILT = (
    ("cortex-m3", None),
    ("cortex-m4f", Wanted(0, 64)),
    ("rv32imc", None),
    ("cortex-m3", Wanted(0, 0, 64)),
    ("cortex-m4f", None),
    ("rv32imc", Wanted(4000, 6000, 256)),
)
TEXT = """(module
  (import "env" "f" (func $f (param i32) (result i32))) (import "env" "g" (global $k i32))
  (memory (export "memory") 1) (data (i32.const 8) "abcdefgh") (data $p "passive")
  (global $sp (mut i32) (i32.const 1024)) (global (export "__data_end") i32 (i32.const 1040))
  (global (export "__heap_base") i32 (i32.const 1056)) (global (export "v") (mut i64) (i64.const 5))
  (table (export "t") 4 funcref) (elem (i32.const 0) $f $add $twice) (elem $e func $twice $add)
  (type $binary (func (param i32 i32) (result i32)))
  (func $add (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func $twice (export "twice") (param i64) (result i64)
    (global.set 4 (local.get 0)) (i64.mul (local.get 0) (i64.const 2)))
  (func (export "call") (param i32) (result i32)
    (call_indirect (type $binary) (i32.const 3) (i32.const 4) (local.get 0)))
  (func (export "half") (param f32 f64) (result f64) (f64.div (f64.promote_f32 (local.get 0)) (local.get 1)))
  (func (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call 5 (i32.sub (local.get 0) (i32.const 1))))
      (else (call $f (i32.const 9)))))
  (func (export "touch") (param i32) (result i64)
    (i32.store (local.get 0) (i32.const -1)) (memory.fill (local.get 0) (i32.const 7) (i32.const 3))
    (memory.copy (i32.const 60000) (local.get 0) (i32.const 300)) (i64.load offset=3 (local.get 0)))
  (func (export "init") (memory.init $p (i32.const 0) (i32.const 0) (i32.const 7))
    (table.init $e (i32.const 1) (i32.const 0) (i32.const 2)) (data.drop $p) (elem.drop $e)))"""
CALLS = (
    ("add", 2, 3),
    ("twice", 1 << 40),
    ("call", 0),
    ("call", 1),
    ("call", 3),
    ("half", 1.5, 0.5),
    ("deep", 20),
    ("init",),
)
TOUCHED = tuple(("touch", at) for at in (-3, 1020, 5990, 65200))  # with a window


@cache
def _image(target: str, window: Wanted | None) -> bytes:
    return aot.compile_wasm(bytes(wasmtime.wat2wasm(TEXT)), target, aot.Options(window=window))


def _damaged(data: bytes, seed: int) -> bytes:
    chance, changed = random.Random(seed), bytearray(data)
    code = struct.unpack_from("<2I", data, layout.IMAGE_CODE_OFFSET)
    repaired = bool(seed % 2)
    places = [i for i in range(len(data)) if not (repaired and code[0] <= i < sum(code))]
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.choice(places) if chance.random() < 0.6 else chance.randrange(layout.HEADER_SIZE)
        value = chance.choice((0, 1, 4, 8, 0x7F, 0x80, 0xFF, changed[at] ^ 1 << chance.randrange(8)))
        changed[at] = value
    if repaired:
        struct.pack_into("<I", changed, layout.IMAGE_CRC, zlib.crc32(changed[layout.IMAGE_CRC + 4 :]))
    return bytes(changed)


def outcome(data: bytes, target: str, window: Wanted | None = None) -> str:
    """ "refused", "runs", or what went wrong in the runtime's own words; anything else is an exception."""
    cpu = insitu.sim.install(insitu.sim.Cpu(target, instructions=2_000_000))
    from insitu import port

    cpu.map_flash(FLASH, data)
    heap = bytearray(12000)
    try:
        runtime = port.Runtime(heap=heap)
        module = runtime.load(cpu.view(FLASH, len(data)))
    except port.Error:
        return "refused"
    try:
        instance = module.instantiate(stack_size=2048, imports={"env": {"f": lambda x: x + 1, "g": 7}})
    except port.Error:
        return "not instantiated"
    for name, *arguments in (*CALLS, *(TOUCHED if window else ())):
        _call(instance, name, arguments, port)
    runtime.heap.check()
    return "runs"


def _call(instance: Any, name: str, arguments: list[Any], port: Any) -> None:
    function = instance.lookup_function(name)
    if function is None:
        return
    try:
        function(*arguments)
    except (port.Error, TypeError, OverflowError):
        return


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + IMAGES, CHUNK))
def test_damaged_images(first: int) -> None:
    seen = []
    for seed in range(first, first + CHUNK):
        target, window = BUILT[seed // 2 % len(BUILT)]
        seen.append(outcome(_damaged(_image(target, window), seed), target, window))
    assert seen.count("refused") > CHUNK // 2  # all whose CRC was left wrong


@pytest.mark.parametrize(("target", "window"), BUILT)
def test_the_undamaged_one_runs(target: str, window: Wanted | None) -> None:
    assert outcome(_image(target, window), target, window) == "runs"
