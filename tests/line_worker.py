"""A process that answers one line for one line, and is replaced when it dies or hangs."""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile


class LineWorker:
    """`python -m MODULE`, in a `with`.

    Attributes:
        seconds: how long an answer may take.
    """

    def __init__(self, module: str, seconds: float) -> None:
        self.module, self.seconds = module, seconds

    def __enter__(self) -> LineWorker:
        self._start()
        return self

    def _start(self) -> None:
        command, pipe = [sys.executable, "-m", self.module], subprocess.PIPE
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)

    def ask(self, line: str) -> tuple[str, str]:
        """The answer and "", or "" and what became of the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], self.seconds)
        answer = self._process.stdout.readline() if ready else ""
        if answer:
            return answer.rstrip("\n"), ""
        self._stop()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        self._start()
        return (
            "",
            f"the process died: {said[-1] if said else 'silently'}" if ready else f"no answer in {self.seconds} s",
        )

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        self._stop()
