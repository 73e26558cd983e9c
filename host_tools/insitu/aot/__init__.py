"""Ahead-of-time compilation: WebAssembly to LLVM IR to position-independent machine code to an image.

LLVM, and all that compiles, is imported when something is compiled: whoever reads an image needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from insitu.aot.efforts import EFFORTS, SPEED, by_size
from insitu.aot.options import DEFAULT, Options
from insitu.aot.targets import target as _target
from insitu.steps import step

if TYPE_CHECKING:
    from insitu.aot.contract import StackUse
    from insitu.aot.link import Code
    from insitu.aot.plan import Plan
    from insitu.wasm.module import Module


def object_files(plan: Plan, optimise: str = SPEED) -> list[bytes]:
    """The module's own code, not yet linked with the library; optimise: see Options."""
    from insitu.aot import units

    effort = by_size(optimise, sum(len(function.body) for function in plan.wasm.functions))
    wanted = EFFORTS[effort]
    return units.compiled(units.write(plan, unroll=wanted.unroll, apart=wanted.apart), plan.target, effort)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module's image, and what it was made of.

    Attributes:
        objects: what code was linked of, without the library.
        stack: the operand stack that the code takes.
    """

    plan: Plan
    objects: list[bytes]
    code: Code
    stack: StackUse
    image: bytes


def compile_wasm(data: bytes, target: str, options: Options = DEFAULT) -> bytes:
    """The image of a WebAssembly module for the target of that name; see compile_module."""
    return compile_module(data, target, options).image


def compile_module(data: bytes, target: str, options: Options = DEFAULT, *, located: bool = False) -> Compiled:
    """A WebAssembly module compiled for the target of that name.

    located: with what explain.make.code_map needs to know of instructions; the image is the same.

    Raises WasmError where the module is malformed, invalid or uses what is not supported; InsituError for an
    unknown target. The same input gives the same bytes.
    """
    from insitu.wasm.decode import decode
    from insitu.wasm.validate import validate

    wasm = decode(data)
    validate(wasm)
    return compile_decoded(wasm, target, options, located=located)


def compile_decoded(wasm: Module, target: str, options: Options = DEFAULT, *, located: bool = False) -> Compiled:
    """The same of a module that is valid."""
    from insitu.aot import garbage
    from insitu.aot.plan import Plan

    with garbage.kept():
        return _compiled(Plan(wasm, _target(target), options, located=located), options.optimise)


def _compiled(plan: Plan, optimise: str) -> Compiled:
    from insitu.aot import contract, limits, link
    from insitu.image.pack import pack

    limits.check(plan)
    made = object_files(plan, optimise)
    with step("linking"):
        code = link.link(made, plan)
    with step("proving the machine code"):
        use = contract.check(code, made, plan)
    return Compiled(plan, made, code, use, pack(plan, code, use))
