"""A process that compares modules one by one, and is replaced when it dies or hangs."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from typing import Any

from tests.fuzz import compare, generate

TARGETS = ("cortex-m3", "cortex-m4f", "rv32imc")
SECONDS = 120


class Worker:
    """Use it in a `with`; differences() never raises for what the module does."""

    def __enter__(self) -> Worker:
        self._start()
        return self

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.fuzz.worker"]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True)

    def differences(self, seed: int, target: str, path: str = "") -> list[str]:
        """What insitu does otherwise than wasmtime on the seed's module, or on the one in the file at path."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([seed, target, path]) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return list(json.loads(line))
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines()
        self._start()
        return [f"the process died: {said[-1] if said else 'silently'}" if ready else f"no answer in {SECONDS} s"]

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _compare(seed: int, target: str, path: str) -> list[str]:
    if path:
        with open(path, "rb") as file:
            wasm = file.read()
    else:
        wasm = generate.module(seed)
    return compare.differences(wasm, target, seed)


def main() -> None:
    for line in sys.stdin:
        request: Any = json.loads(line)
        answer = _compare(*request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
