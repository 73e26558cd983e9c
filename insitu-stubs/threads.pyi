"""Programs with threads (wasi-threads): each a task of asyncio, with an instance of its own on one shared memory.

wasi = Wasi(args=("app", "one"))
threads = Threads(module, wasi.imports(module), stack_size=4096, wasi=wasi)
code = asyncio.run(threads.start())
"""

from collections.abc import Mapping
from typing import Any

from insitu.instance import Instance
from insitu.module import Module
from insitu.wasi import Wasi

class Threads:
    """A program, and its threads. Attributes: instance: the first one's, which owns the memory."""

    instance: Instance

    def __init__(
        self,
        module: Module,
        imports: Mapping[str, object] | None = None,
        stack_size: int = 2048,
        wasi: Wasi | None = None,
        slice: int | None = None,
    ) -> None:
        """imports: as for instantiate, functions of Python's; env.memory and wasi.thread-spawn are given here.
        stack_size: bytes of each thread's operand stack. wasi: whose functions are among the imports; what sleeps or
        yields lets other threads run. slice: turns of loops after which others run, too; see Function.call_async.
        Raises as instantiate does.
        """

    async def run(self, name: str, *arguments: Any) -> Any:
        """Call an export as the first thread; its result. When it returns the others are ended. A trap, proc_exit or an
        import's exception in one thread ends all, and is raised.
        """

    async def start(self) -> int:
        """Run a WASI program's `_start`; its exit code."""
