"""`python -m tests.spec PATH`: run scripts of the official WebAssembly suite; exit status 1 on any failure."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from insitu.aot.window import Wanted, parse

from tests.spec import worker
from tests.spec.fetch import FETCHED

_TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc")
_MACHINES = ("sim", "qemu")
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


def _work(work: Callable[[], int], output: TextIO, errors: TextIO) -> None:
    os.setsid()
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    sys.exit(work())


class Worker:
    """A process that says on standard output what comes of a file; it begins with all that this one has imported."""

    def __init__(self, file: str, work: Callable[[], int], seconds: float) -> None:
        """work: what it does, and its exit status; seconds: that it may take."""
        self._file, self._seconds, self._start = file, seconds, time.monotonic()
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        arguments = work, self._output, self._errors
        self._process = multiprocessing.get_context("fork").Process(target=_work, args=arguments)
        self._process.start()

    def result(self) -> FileResult:
        """What it has said, once it has ended."""
        self._process.join(self._start + self._seconds - time.monotonic())
        status = self._process.exitcode
        self._end()
        with self._output, self._errors:
            output, errors = (file.seek(0) or file.read() for file in (self._output, self._errors))
        ended = f"no end within {self._seconds:g} s" if status is None else _why(status, errors) if status else ""
        result = read(self._file, output, ended)
        result.seconds = time.monotonic() - self._start
        return result

    def _end(self) -> None:
        """End the process and what it has started."""
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()


def run_files(
    files: list[Path], target: str, machine: str, jobs: int, window: Wanted | None = None, interruptible: bool = False
) -> Iterator[FileResult]:
    """What comes of each script, so many at a time, each in a worker of its own."""
    worker.spectest(target)  # and with it what the compiler makes once for a target
    running: deque[Worker] = deque()
    for script in files:
        if len(running) == jobs:
            yield running.popleft().result()
        work = functools.partial(worker.report, script.resolve(), target, machine, window, interruptible)
        running.append(Worker(script.name, work, _SECONDS[machine]))
    for left in running:
        yield left.result()


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
    parser.add_argument("--window", type=parse, metavar="SIZE|LOW:HIGH", help="build each module with such a window")
    parser.add_argument("--interruptible", action="store_true", help="build each module so that it polls")
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
    for result in run_files(files, options.target, options.on, options.j, options.window, options.interruptible):
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
