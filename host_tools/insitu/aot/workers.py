"""Processes that compile units, each one after the other: LLVM is loaded once a core, and may abort in one."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from insitu.aot.targets import Target
    from insitu.steps import Progress


def compiled(texts: Iterable[str], target: Target, effort: str, progress: Progress) -> list[list[bytes]]:
    """The object files of each unit, in order. effort: a name of efforts.EFFORTS.

    Which process a unit comes to leaves no trace in them.
    """
    idle: SimpleQueue[_Worker] = SimpleQueue()
    with contextlib.ExitStack() as workers, ThreadPoolExecutor(os.cpu_count() or 1) as pool:

        def compile_unit(text: str) -> list[bytes]:
            try:
                worker = idle.get_nowait()
            except Empty:  # there are never more of them than threads
                said = workers.enter_context(tempfile.TemporaryFile())
                worker = workers.enter_context(_Worker(target, effort, said))
            try:
                return worker.compile(text)
            finally:
                idle.put(worker)

        results = [pool.submit(compile_unit, text) for text in texts]
        made = []
        try:
            for result in results:
                made.append(result.result())
                progress(len(made), len(results))
        finally:
            pool.shutdown(cancel_futures=True)
        return made


class _Worker:
    """One process, of unit_child.py. said: a file for what it says of errors."""

    def __init__(self, target: Target, effort: str, said: IO[bytes]) -> None:
        self._said = said
        self._command = [sys.executable, "-m", "insitu.aot.unit_child", target.name, effort]
        self._start()

    def _start(self) -> None:
        self._said.truncate(0)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended
            self._process.communicate(pickle.dumps(None))

    def compile(self, text: str) -> list[bytes]:
        """The object files of a unit. Raises RuntimeError with what the process says of a bug of ours."""
        made = self._ask(text, light=False)
        if made is None:
            self.__exit__()
            self._start()
            made = self._ask(text, light=True)
        if made is None:
            raise RuntimeError("LLVM aborts in passes that it does not abort in")
        return made

    def _ask(self, text: str, *, light: bool) -> list[bytes] | None:
        """None: LLVM aborted."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests and answers
        try:
            pickle.dump((text, light), requests)
            requests.flush()
            made: list[bytes] = pickle.load(answers)
            return made
        except (BrokenPipeError, EOFError):
            if self._process.wait() > 0:
                self._said.seek(0)
                raise RuntimeError(self._said.read().decode()) from None
            return None
