"""A process that compiles modules one by one, of limited memory, and is replaced when it dies or hangs."""

from __future__ import annotations

import base64
import resource
import sys

from insitu import aot
from insitu.aot import limits
from insitu.aot.plan import Plan
from insitu.aot.targets import target
from insitu.errors import InsituError
from insitu.wasm.decode import decode
from insitu.wasm.validate import validate

from tests.line_worker import LineWorker

SECONDS, MEMORY = 60, 3 << 30
IMAGE = "image"


class Worker(LineWorker):
    """Use it in a `with`."""

    def __init__(self) -> None:
        super().__init__("tests.hostile.worker", SECONDS)

    def __enter__(self) -> Worker:
        super().__enter__()
        return self

    def compile(self, data: bytes) -> str:
        """IMAGE, the refusal's words, or what went wrong, which begins with "!"."""
        answer, wrong = self.ask(base64.b64encode(data).decode())
        return f"! {wrong}" if wrong else answer


def _compile(data: bytes) -> str:
    """All of the compiler but the linker, whose input is LLVM's output."""
    try:
        wasm = decode(data)
        validate(wasm)
        plan = Plan(wasm, target("cortex-m4f"))
        limits.check(plan)
    except InsituError as error:
        return str(error).replace("\n", " ")
    aot.object_files(plan)
    return IMAGE


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        print(_compile(base64.b64decode(line)), flush=True)


if __name__ == "__main__":
    main()
