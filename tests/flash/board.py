"""A board whose MicroPython programs flash by itself: device code under CPython, with a model's machine and uctypes."""

from __future__ import annotations

import builtins
import io
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any, Self

from insitu.errors import InsituError
from insitu.link.runner import DeviceError, Runner

from tests.flash.stm32_flash import PowerCut


class Board(Runner):
    """What a Link is. Attributes: model: the chip."""

    _modules: dict[str, Any]
    _names: dict[str, Any]

    def __init__(self, model: Any) -> None:
        self.model = model
        self.soft_reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def soft_reset(self) -> None:
        machine, uctypes, micropython = ModuleType("machine"), ModuleType("uctypes"), ModuleType("micropython")
        machine.mem32, machine.disable_irq, machine.enable_irq = self.model, self._disable, self._enable  # type: ignore[attr-defined]
        uctypes.addressof, uctypes.bytearray_at = self.model.addressof, self.model.bytearray_at  # type: ignore[attr-defined]
        micropython.asm_thumb = lambda function: function  # type: ignore[attr-defined]
        micropython.const = lambda value: value  # type: ignore[attr-defined]
        self._modules = {"machine": machine, "uctypes": uctypes, "micropython": micropython}
        self._names = {"__builtins__": {**vars(builtins), "__import__": self._import, "data": lambda *_: None}}

    def run(self, code: str, *, timeout: float | None = None) -> bytes:
        """As a Link; where the power went, the line is gone."""
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                exec(compile(code, "<stdin>", "exec"), self._names)
        except PowerCut:
            raise InsituError("the board is gone") from None
        except (OSError, ValueError) as error:
            raise DeviceError(f"Traceback:\n{type(error).__name__}: {error}", b"") from error
        return printed.getvalue().encode()

    def _import(self, name: str, *rest: Any) -> Any:
        return self._modules.get(name) or builtins.__import__(name, *rest)

    def _disable(self) -> bool:
        before, self.model.interrupts = self.model.interrupts, False
        return before

    def _enable(self, before: bool) -> None:
        self.model.interrupts = before
