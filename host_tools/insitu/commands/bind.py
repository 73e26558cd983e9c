"""`insitu bind`: a module of MicroPython for a module of WebAssembly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from insitu.aot.options import Options
from insitu.bind import python, stub
from insitu.bind.declared import declared
from insitu.bind.interface import of_module
from insitu.board.record import Board
from insitu.commands import inspect
from insitu.commands.build import build, is_image, read_file, write_file
from insitu.commands.tune import Call, Place, tune
from insitu.errors import InsituError
from insitu.image.read import read
from insitu.port.xip.layout import ENV_SIZE
from insitu.session.given import Given
from insitu.session.pool import needed
from insitu.wasm.decode import decode

_STACK = 2048  # where the call graph does not say
_AT_ONCE = 3  # calls that are awaited: port/run/aux_parts.py has parts for as many unless asked otherwise
_EXEC_ENV = ENV_SIZE + 8  # beside its operand stack, and a block's overhead with it


def bind(
    source: Path,
    board: Board,
    made: Path,
    *,
    declaration: Path | None,
    calls: list[Call],
    bindings: dict[str, str],
    given: Given,
    timeout: float,
    app_heap: int,
    awaited: bool = False,
) -> python.Pools:
    """Write made and its stub beside it. Pools are those that tune finds for the calls, if there are any.

    awaited: its functions are coroutines, and what it imports may be; the pool has room for three calls at once.

    Raises InsituError.
    """
    if made.suffix != ".py":
        raise InsituError(f"{made}: -o is a file of Python's, with the suffix .py")
    if is_image(read_file(source)):
        raise InsituError(f"{source} is an image, which has no names: bind wants the .wasm file")
    image = build(source, board, Options(app_heap=app_heap))
    interface = replace(of_module(decode(read_file(source)), python.RESERVED, python.USED), awaited=awaited)
    if declaration is not None:
        interface = declared(interface, declaration)
    pools = _static(image, board, app_heap)
    if calls:
        knobs = {
            k.name: k.proposed or 0
            for k in tune(source, board, calls, bindings, app_heap, Place(), given, timeout).knobs
        }
        pools = _pools(board, knobs["global heap"], knobs["operand stack"], app_heap)
    if awaited:
        pools = _pools(board, pools.heap + _AT_ONCE * (pools.stack + _EXEC_ENV), pools.stack, app_heap)
    title = f"{source.name} on {board.name}, made by `insitu bind`: change that, not this."
    write_file(made, python.write(interface, title, pools).encode())
    write_file(made.with_suffix(".pyi"), stub.write(interface, title).encode())
    return pools


def _static(image: bytes, board: Board, app_heap: int) -> python.Pools:
    """What the image itself says; of a memory that grows, the board's pool is not too much."""
    facts = inspect.image_facts(image)
    stack = max(facts["operand_stack_needed"] or _STACK, inspect.least_stack(facts))
    heap = needed(read(image), stack)
    if facts["linear_memory_note"] == "can grow":
        heap = max(heap, board.global_heap)
    return _pools(board, heap, stack, app_heap)


def _pools(board: Board, heap: int, stack: int, app_heap: int) -> python.Pools:
    return python.Pools(board.image.address, board.heap_place(heap)[0], heap, stack, app_heap)
