"""A process that compares modules one by one, and is replaced when it dies or hangs."""

from __future__ import annotations

import json
import sys
from dataclasses import astuple
from pathlib import Path

from insitu.aot.window import Wanted

from tests.fuzz import compare, generate
from tests.line_worker import LineWorker

TARGETS = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc")
SECONDS = 120


class Worker(LineWorker):
    """Use it in a `with`; differences() never raises for what the module does."""

    def __init__(self) -> None:
        super().__init__("tests.fuzz.worker", SECONDS)

    def __enter__(self) -> Worker:
        super().__enter__()
        return self

    def differences(self, seed: int, target: str, path: str = "", window: Wanted | None = None) -> list[str]:
        """What insitu does otherwise than wasmtime on the seed's module, or on the one in the file at path.

        window: as compile_wasm has it.
        """
        answer, wrong = self.ask(json.dumps([seed, target, path, window and astuple(window)]))
        return [wrong] if wrong else list(json.loads(answer))


def _compare(seed: int, target: str, path: str, window: list[int] | None) -> list[str]:
    wasm = Path(path).read_bytes() if path else generate.module(seed)
    return compare.differences(wasm, target, seed, Wanted(*window) if window else None)


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(_compare(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
