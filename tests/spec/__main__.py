"""`python -m tests.spec PATH`: run scripts of the official WebAssembly suite; exit status 1 on any failure."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.spec.fetch import FETCHED

_TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc")
_MACHINES = ("sim", "qemu")
_REPO = Path(__file__).resolve().parents[2]
_SUFFIXES = (".wast", ".json")
_SHOWN = 20  # failures a file, in the text report
_SECONDS = {"sim": 300.0, "qemu": 900.0}  # that one file may take


@dataclass
class FileResult:
    """What came of a script.

    Attributes:
        skipped: reason to number; failures: (line, why).
    """

    file: str
    passed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "passed": self.passed,
            "failed": len(self.failures),
            "skipped": dict(self.skipped),
            "failures": [{"line": line, "why": why} for line, why in self.failures],
            "seconds": round(self.seconds, 1),
        }


def read(file: str, output: str, ended: str) -> FileResult:
    """The worker's lines; ended: why it did not come to its end, empty if it did.

    Commands that it did not come to have failed.
    """
    result, lines = FileResult(file), [json.loads(line) for line in output.splitlines()]
    count, verdicts = (lines[0], lines[1:]) if lines else (1, [])
    for line, kind, why in verdicts:
        if kind == "passed":
            result.passed += 1
        elif kind == "skipped":
            result.skipped[why] += 1
        else:
            result.failures.append((line, why))
    if ended or count > len(verdicts):
        last = verdicts[-1][0] if verdicts else 0
        result.failures.append((last, ended or "the worker ended early"))
        result.failures += [(last, "not reached")] * (count - len(verdicts) - 1)
    return result


def _why(status: int, errors: str) -> str:
    """What a worker that failed has to say: an assertion of LLVM's, an exception's last line, or nothing."""
    said = (errors.strip().splitlines() or [""])[-1]
    if status < 0:
        said = f"{signal.Signals(-status).name} {said}".strip()
    return said or f"the worker ended with status {status}"


def _end(worker: subprocess.Popen[str]) -> None:
    """End the worker and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


def run_worker(file: str, command: list[str], seconds: float) -> FileResult:
    """What a worker's process says of a file."""
    start, ended = time.monotonic(), ""
    pipe = subprocess.PIPE
    worker = subprocess.Popen(command, cwd=_REPO, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        output, errors = worker.communicate(timeout=seconds)
        ended = _why(worker.returncode, errors) if worker.returncode else ""
    except subprocess.TimeoutExpired:
        _end(worker)
        output, _ = worker.communicate()
        ended = f"no end within {seconds:g} s"
    _end(worker)
    result = read(file, output, ended)
    result.seconds = time.monotonic() - start
    return result


def run_file(script: Path, target: str, machine: str) -> FileResult:
    """A script in a worker of its own."""
    command = [sys.executable, "-m", "tests.spec.worker", str(script.resolve()), target, machine]
    return run_worker(script.name, command, _SECONDS[machine])


def _line(result: FileResult) -> str:
    skipped = sum(result.skipped.values())
    reasons = ", ".join(f"{reason}: {count}" for reason, count in result.skipped.items())
    text = f"{result.file}: {result.passed} passed, {len(result.failures)} failed, {skipped} skipped"
    return text + (f" ({reasons})" if reasons else "")


def _print(result: FileResult) -> None:
    print(_line(result))
    for line, why in result.failures[:_SHOWN]:
        print(f"  line {line}: {why}")
    if len(result.failures) > _SHOWN:
        print(f"  and {len(result.failures) - _SHOWN} more")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.spec", description=__doc__)
    parser.add_argument(
        "path",
        type=Path,
        nargs="*",
        default=[FETCHED],
        help="a script or a folder of them (what tests.spec.fetch made)",
    )
    parser.add_argument("--target", choices=_TARGETS, default="cortex-m3")
    parser.add_argument("--on", choices=_MACHINES, default="sim")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the lines")
    parser.add_argument("-j", type=int, default=2, metavar="N", help="scripts at a time (2)")
    return parser.parse_args()


def scripts(paths: list[Path]) -> list[Path]:
    """The files, and those of the folders; raises FileNotFoundError where there are none."""
    found = []
    for path in paths:
        below = sorted(f for f in path.rglob("*") if f.suffix in _SUFFIXES) if path.is_dir() else [path]
        if not below or not below[0].is_file():
            raise FileNotFoundError(f"no .wast and no .json of wast2json's at {path}")
        found += below
    return found


def main() -> int:
    options = _arguments()
    try:
        files = scripts(options.path)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    results = []
    with ThreadPoolExecutor(options.j) as pool:
        for result in pool.map(lambda script: run_file(script, options.target, options.on), files):
            results.append(result)
            if not options.json:
                _print(result)
    passed, failed = sum(r.passed for r in results), sum(len(r.failures) for r in results)
    skipped = sum(sum(r.skipped.values()) for r in results)
    if options.json:
        whole = {"target": options.target, "on": options.on, "passed": passed, "failed": failed, "skipped": skipped}
        print(json.dumps({**whole, "files": [r.as_json() for r in results]}))
    else:
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
