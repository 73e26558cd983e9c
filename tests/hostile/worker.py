"""A process that compiles modules one by one, of limited memory, and is replaced when it dies or hangs."""

from __future__ import annotations

import base64
import resource
import select
import subprocess
import sys
import tempfile

from insitu import aot
from insitu.aot import limits
from insitu.aot.module import ModuleBuilder
from insitu.aot.targets import target
from insitu.errors import InsituError
from insitu.wasm.decode import decode
from insitu.wasm.validate import validate

SECONDS, MEMORY = 60, 3 << 30
IMAGE = "image"


class Worker:
    """Use it in a `with`."""

    def __enter__(self) -> Worker:
        self._start()
        return self

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.hostile.worker"]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self.errors, text=True)

    def compile(self, data: bytes) -> str:
        """IMAGE, the refusal's words, or what went wrong, which begins with "!"."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(base64.b64encode(data).decode() + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return line.rstrip("\n")
        self.process.kill()
        self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines()
        self._start()
        return f"! the process died: {said[-1] if said else 'silently'}" if ready else f"! no answer in {SECONDS} s"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def _compile(data: bytes) -> str:
    """All of the compiler but the linker, whose input is LLVM's output."""
    try:
        wasm = decode(data)
        validate(wasm)
        limits.check(wasm)
    except InsituError as error:
        return str(error).replace("\n", " ")
    aot.object_file(ModuleBuilder(wasm, target("cortex-m4f")))
    return IMAGE


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        print(_compile(base64.b64decode(line)), flush=True)


if __name__ == "__main__":
    main()
