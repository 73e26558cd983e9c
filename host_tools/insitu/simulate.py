"""`insitu run --sim`: the device runtime under CPython, compiled code on the simulated CPU."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

from insitu import sim
from insitu.boards import Board
from insitu.flash import check_fits
from insitu.run import RunError, check_imports


class SimulatedSession(AbstractContextManager["SimulatedSession"]):
    """The same as run.Session without QEMU; imports can only be bound to print."""

    def __init__(self, board: Board, data: bytes, *, imports: dict[str, str], heap: int = 0, stack: int = 2048) -> None:
        self.image = check_fits(data, board)
        check_imports(self.image, imports)
        self.board, self.data, self.stack = board, data, stack
        self.heap = heap or board.global_heap
        self.imports: dict[str, dict[str, Any]] = {}
        for name in imports:
            module, _, field = name.partition(".")
            self.imports.setdefault(module, {})[field] = print

    def __enter__(self) -> SimulatedSession:
        cpu = sim.install(sim.Cpu(self.board.target))
        from insitu import port
        from insitu.port import errors

        self.errors = errors
        cpu.map_flash(self.board.image.address, self.data)
        try:
            runtime = port.Runtime(bytearray(self.heap))
            module = runtime.load(self.board.image.address)
            self.instance = module.instantiate(stack_size=self.stack, imports=self.imports)
        except errors.Error as error:
            raise RunError(str(error)) from None
        return self

    def invoke(self, name: str, arguments: list[int | float]) -> tuple[bytes, list[int | float]]:
        """Call an export; see run.Session. What imports print goes straight to stdout."""
        try:
            result = getattr(self.instance.exports, name)(*arguments)
        except self.errors.Trap as error:
            raise RunError(f"trap: {error}") from None
        except (self.errors.Error, TypeError, OverflowError) as error:
            raise RunError(str(error)) from None
        sys.stdout.flush()
        if result is None:
            return b"", []
        return b"", list(result) if isinstance(result, tuple) else [result]

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""
