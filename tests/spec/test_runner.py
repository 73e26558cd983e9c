"""The suite runner itself: every kind of command, and that what is wrong is counted as wrong."""

from __future__ import annotations

import faulthandler
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.spec import wabt
from tests.spec.__main__ import Worker
from tests.spec.judge import same_message, same_value

REPO = Path(__file__).resolve().parents[2]
TARGETS = ("cortex-m3", "cortex-m4f", "rv32imc")

MODULE = r"""
(module $m
  (memory 1) (global (export "g") i64 (i64.const -7))
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "nan") (result f64) (f64.div (f64.const 0) (f64.const 0)))
  (func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func (export "trap") (result i32) (i32.load (i32.const 65536)))
  (func $r (export "runaway") (call $r) (call $r)))
"""
# Every command kind, as it should come out.
GOOD = (
    MODULE
    + r"""
(assert_return (invoke "f32" (f32.const nan:0x200001)) (f32.const nan:0x200001))
(assert_return (invoke "nan") (f64.const nan:canonical))
(assert_return (invoke "nan") (f64.const nan:arithmetic))
(assert_return (invoke "swap" (i32.const -1) (i64.const 2)) (i64.const 2) (i32.const -1))
(assert_return (get $m "g") (i64.const -7))
(assert_trap (invoke "trap") "out of bounds memory access")
(assert_exhaustion (invoke "runaway") "call stack exhausted")
(register "M" $m)
(module (import "M" "swap" (func $s (param i32 i64) (result i64 i32)))
  (import "spectest" "print_f64" (func $p (param f64)))
  (import "spectest" "global_f32" (global f32))
  (import "spectest" "memory" (memory 1 2)) (import "spectest" "table" (table 10 20 funcref))
  (func (export "g") (result f32) (call $p (f64.const 1)) (drop (drop (call $s (i32.const 0) (i64.const 1))))
    (global.get 0)))
(invoke "g")
(assert_return (invoke "g") (f32.const 666.6))
(invoke $m "f32" (f32.const 0))
(assert_unlinkable (module (import "M" "none" (func))) "unknown import")
(assert_unlinkable (module (import "M" "trap" (func))) "incompatible import type")
(assert_trap (module (func unreachable) (start 0)) "unreachable")
(assert_malformed (module binary "\00asm") "unexpected end")
(assert_malformed (module quote "(module $)") "empty identifier")
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_return (invoke "g") (f32.const 666.6))
"""
)
# Each of these is one failure, with this text.
BAD = {
    '(assert_return (invoke "nan") (f64.const 0))': "expected 0x0, got 0x7ff8",
    '(assert_return (invoke "f32" (f32.const 1)) (f32.const nan:canonical))': "expected nan:canonical",
    '(assert_return (invoke "f32" (f32.const nan:0x200001)) (f32.const nan:arithmetic))': "expected nan:arithmetic",
    '(assert_return (invoke "trap") (i32.const 0))': "got trap: out of bounds memory access",
    '(assert_trap (invoke "trap") "unreachable")': "expected trap: unreachable",
    '(assert_trap (invoke "nan") "unreachable")': "got no failure",
    '(assert_exhaustion (invoke "nan") "call stack exhausted")': "got no failure",
    '(invoke "trap")': "action: trap",
    '(assert_unlinkable (module (import "spectest" "print" (func))) "unknown import")': "got no failure",
    '(assert_unlinkable (module (import "spectest" "print" (func (param i32)))) "unknown import")': "got link",
    '(assert_trap (module (func) (start 0)) "unreachable")': "got no failure",
    '(assert_malformed (module binary "\\00asm\\01\\00\\00\\00") "unexpected end")': "got no failure",
    '(assert_invalid (module binary "\\00asm\\01\\00\\00\\00") "type mismatch")': "got no failure",
    '(module (import "spectest" "none" (func)))': "module: link",
}


def run(folder: Path, script: str, *options: str) -> tuple[int, list[str]]:
    """The runner's exit status and lines on a script."""
    path = folder / "script.wast"
    path.write_text(script)
    command = [sys.executable, "-m", "tests.spec", str(path), *options]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_good(tmp_path: Path) -> None:
    status, lines = run(tmp_path, GOOD)
    assert lines == [
        "script.wast: 19 passed, 0 failed, 1 skipped (text format: 1)",
        "19 passed, 0 failed, 1 skipped",
    ]
    assert status == 0


def test_bad(tmp_path: Path) -> None:
    script = "".join(MODULE + bad + "\n" for bad in BAD)
    status, lines = run(tmp_path, script)
    assert status == 1
    assert lines[-1] == f"{len(BAD)} passed, {len(BAD)} failed, 0 skipped"
    failures = [line for line in lines if line.startswith("  line ")]
    for text, line in zip(BAD.values(), failures, strict=True):
        assert text in line


def test_script_that_is_refused(tmp_path: Path) -> None:
    status, lines = run(tmp_path, "(module")
    assert status == 1
    assert lines[-1] == "0 passed, 1 failed, 0 skipped"
    assert "wast2json" in lines[1]


def _crash() -> int:
    os.write(1, b'3\n[1, "passed", ""]\n')
    faulthandler.disable()  # pytest's
    os.abort()


def _hang() -> int:
    os.write(1, b"2\n")
    time.sleep(60)
    return 0


def test_crash_fails_the_commands_that_are_left() -> None:
    result = Worker("script.wast", _crash, 10).result()
    assert (result.passed, len(result.failures)) == (1, 2)
    assert "SIGABRT" in result.failures[0][1]


def test_hang_fails() -> None:
    result = Worker("script.wast", _hang, 0.5).result()
    assert (result.passed, len(result.failures)) == (0, 2)
    assert "no end within" in result.failures[0][1]


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("unreachable", "unreachable", True),
        ("uninitialized element 2", "uninitialized element", True),
        ("integer overflow", "integer overflow in f", True),
        ("integer overflow", "integer divide by zero", False),
        ("integer overflow", "", False),
        ("call stack exhausted", "wasm operand stack overflow", True),
        ("unknown import", "import a.b (function i:) is missing", True),
        ("incompatible import type", "import a.b (function i:) is missing", False),
    ],
)
def test_messages(expected: str, actual: str, same: bool) -> None:
    assert same_message(expected, actual) is same


@pytest.mark.parametrize(
    ("kind", "pattern", "bits", "same"),
    [
        ("f32", "nan:canonical", 0x7FC00000, True),
        ("f32", "nan:canonical", 0xFFC00000, True),
        ("f32", "nan:canonical", 0x7FC00001, False),
        ("f32", "nan:arithmetic", 0xFFC00001, True),
        ("f32", "nan:arithmetic", 0x7FA00000, False),
        ("f64", "nan:canonical", 0xFFF8000000000000, True),
        ("f64", "nan:arithmetic", 0x7FF8000000000001, True),
        ("f64", "nan:arithmetic", 0x7FF4000000000000, False),
        ("f64", "nan:arithmetic", 0x7FF0000000000000, False),
        ("f32", "2147483648", 0, False),
    ],
)
def test_nan_patterns(kind: str, pattern: str, bits: int, same: bool) -> None:
    assert same_value({"type": kind, "value": pattern}, bits) is same


def test_usage(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.spec", str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"no \.wast .* at .*\n", done.stderr)


@pytest.mark.parametrize("target", TARGETS)
def test_own_scripts(target: str) -> None:
    """What the suite's scripts ask and insitu has decided in a way of its own."""
    command = [sys.executable, "-m", "tests.spec", str(Path(__file__).with_name("scripts")), "--target", target]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# In the form of wast2json, as tests.spec.fetch writes it: A is there, B and the module that traps are not.
ABSENT = [
    {"type": "module", "line": 1, "name": "A", "filename": "a.wasm"},
    {"type": "register", "line": 2, "as": "A"},
    {"type": "module", "line": 3, "name": "B", "filename": "b.wasm", "absent": "why"},
    {"type": "assert_return", "line": 4, "action": {"type": "invoke", "module": "A", "field": "f", "args": []}},
    {"type": "register", "line": 5, "as": "B"},
    {"type": "module", "line": 6, "filename": "imports_b.wasm"},
    {"type": "assert_return", "line": 7, "action": {"type": "invoke", "field": "f", "args": []}},
    {"type": "module", "line": 8, "filename": "a.wasm"},
    {"type": "assert_return", "line": 9, "action": {"type": "invoke", "module": "A", "field": "f", "args": []}},
    {"type": "assert_uninstantiable", "line": 10, "filename": "c.wasm", "text": "unreachable", "absent": "why"},
    {"type": "assert_return", "line": 11, "action": {"type": "invoke", "module": "A", "field": "f", "args": []}},
    {"type": "assert_invalid", "line": 12, "filename": "d.wasm", "text": "", "absent": "why"},
]


def test_what_needs_an_absent_module_is_skipped(tmp_path: Path) -> None:
    """What an absent module might have written into another is not asked, either, until the next module."""
    texts = {"a": '(module (func (export "f")))', "imports_b": '(module (import "B" "f" (func)))'}
    for name, text in texts.items():
        (tmp_path / f"{name}.wat").write_text(text)
        (tmp_path / f"{name}.wasm").write_bytes(wabt.assemble(tmp_path / f"{name}.wat", tmp_path))
    commands = [{"expected": [], **command} if "action" in command else command for command in ABSENT]
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"commands": commands}))
    command = [sys.executable, "-m", "tests.spec.worker", str(script), "cortex-m3", "sim"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    came = {line: (kind, why) for line, kind, why in map(json.loads, done.stdout.splitlines()[1:])}
    assert {line for line, (kind, _) in came.items() if kind == "passed"} == {1, 2, 8, 9}
    assert {line for line, said in came.items() if said == ("skipped", "why")} == {3, 4, 5, 6, 7, 10, 11, 12}
