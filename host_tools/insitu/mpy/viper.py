"""Functions in inline assembler as viper functions, for firmware that has the native emitters alone."""

from __future__ import annotations

import dataclasses

from insitu.mpy.read import ASM, VIPER, RawCode, read
from insitu.mpy.write import write


def as_viper(data: bytes) -> bytes:
    """A .mpy file in which each assembler function is a viper function of the same machine code.

    MicroPython then calls it with (self, n_args, n_kw, args) and takes its result for an object, checks no number of
    arguments and converts none (py/objfun.c, fun_viper_call): it must be written for that. Raises MpyError.
    """
    module = read(data)
    return write(dataclasses.replace(module, body=_changed(module.body)))


def _changed(code: RawCode) -> RawCode:
    kind = VIPER if code.kind == ASM else code.kind
    return dataclasses.replace(code, kind=kind, children=tuple(map(_changed, code.children)))
