"""`insitu run --sim`: the device runtime under CPython, compiled code on the simulated CPU."""

from __future__ import annotations

import codecs
import io
import sys
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

from insitu import sim
from insitu.board.record import Board
from insitu.flash.write import check_fits
from insitu.port.wasi import NAME as WASI
from insitu.session import values
from insitu.session.session import ProgramExit, RunError, check_imports, export_type
from insitu.session.values import Value


class _Console:
    """Takes the bytes that WASI writes, as a device's console does."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: memoryview) -> None:
        sys.stdout.write(self._decoder.decode(bytes(data)))


class SimulatedSession(AbstractContextManager["SimulatedSession"]):
    """The same as run.Session without QEMU.

    Attributes:
        runtime, instance: the device's objects, once it is entered.
    """

    def __init__(
        self,
        board: Board,
        data: bytes,
        *,
        imports: dict[str, str],
        heap: int = 0,
        stack: int = 2048,
        knobs: dict[str, int | None] | None = None,
    ) -> None:
        """imports: see run.Session; expressions that need no more than Python's own names."""
        self.image = check_fits(data, board)
        check_imports(self.image, dict(imports))
        self.board, self.data, self.stack, self.knobs = board, data, stack, knobs or {}
        self.heap_address, self.heap = board.heap_place(heap)
        self.imports: dict[str, dict[str, Any]] = {}
        for module, name, _, _ in self.image.imports:
            if module == WASI:
                continue
            self.imports.setdefault(module, {})[name] = eval(imports[f"{module}.{name}"])

    def __enter__(self) -> SimulatedSession:
        cpu = sim.install(sim.Cpu(self.board.target))
        from insitu import port
        from insitu.port import errors, wasi

        self.wasi_exit = wasi.Exit
        self.errors = errors
        cpu.map_flash(self.board.image.address, self.data)
        try:
            if self.heap_address is None:
                self.runtime = port.Runtime(bytearray(self.heap))
            else:
                cpu.map_ram(self.heap_address, self.heap)
                self.runtime = port.Runtime((self.heap_address, self.heap))
            module = self.runtime.load(self.board.image.address)
            console = _Console()
            program = wasi.Wasi(("app",), files={1: console, 2: console})
            imports = program.imports(module, self.imports)
            self.instance = module.instantiate(stack_size=self.stack, imports=imports, **self.knobs)
            program.bind(self.instance)
        except errors.Trap as error:
            raise RunError(f"trap: {error}") from None
        except errors.Error as error:
            raise RunError(str(error)) from None
        return self

    def invoke(self, name: str, arguments: list[int | float]) -> tuple[bytes, list[Value]]:
        """Call an export; see run.Session."""
        from insitu.port import platform
        from insitu.port.xip.enter import go_on

        parameters, results = export_type(self.image, name)
        passed = values.pack(parameters, arguments)
        function, slots = self.instance.lookup_function(name), self.instance.slots
        slots[: len(passed)] = passed
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                if platform.start(function.plan, None) is False:
                    go_on(self.instance.exec_env, function, function.plan, None)
        except self.wasi_exit as end:
            return ProgramExit(end.code, printed.getvalue().encode()).checked(), []
        except self.errors.Trap as error:
            raise RunError(f"trap: {error}", printed.getvalue().encode()) from None
        except self.errors.Error as error:
            raise RunError(str(error), printed.getvalue().encode()) from None
        return printed.getvalue().encode(), values.unpack(results, bytes(slots[: 8 * len(results)]))

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""
