"""WASI preview 1, for programs that use it: on the board's console, clock and files.

wasi = Wasi(args=("app", "one"), folders={"/data": "/data"})
instance = module.instantiate(imports=wasi.imports(module))
wasi.bind(instance)
code = wasi.start()
"""

from collections.abc import Callable, Iterable, Mapping

from insitu.instance import Instance
from insitu.module import Module

class Exit(Exception):
    """The program called proc_exit in another call than Wasi.start. Attributes: code: its exit code."""

    code: int

    def __init__(self, code: int) -> None: ...

class Wasi:
    """What a program is given, and what it has open."""

    def __init__(
        self,
        args: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        files: Mapping[int, object] | None = None,
        folders: Mapping[str, str] | None = None,
        clock: Callable[[int], int | None] | None = None,
        random: Callable[[int], bytes | None] = ...,
        sleep: Callable[[int], object] = ...,
    ) -> None:
        """args: the program's name and its arguments. files: by descriptor, objects with readinto, write, seek and
        close as far as they are used; 0, 1 and 2 are the console unless given. folders: what the program may use of
        the board's file system, {name: path}. clock(number): nanoseconds, number 0 since 1970; random(length):
        bytes; None from either: there is none. sleep(milliseconds).
        """

    def imports(self, module: Module, more: Mapping[str, object] | None = None) -> dict[str, object]:
        """What instantiate is given. more: the module's other imports. Raises LinkError."""

    def bind(self, instance: Instance) -> None:
        """Say whose memory it is, before anything is called."""

    def start(self) -> int:
        """Run a program's `_start`, or a library's `_initialize`; the exit code. Raises Error if there is neither."""
