"""A stand-in for MicroPython's module `micropython`, so that port/ can be imported by CPython."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def _same(value: Any) -> Any:
    return value


def install() -> None:
    """Make `import micropython` work; const and the code emitters' decorators do nothing here."""
    module = ModuleType("micropython")
    for name in ("const", "native", "viper", "asm_thumb", "asm_rv32"):
        setattr(module, name, _same)
    sys.modules.setdefault("micropython", module)
