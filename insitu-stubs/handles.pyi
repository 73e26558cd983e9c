"""What a program gets of an instance: its functions and its memory; see shared for globals and tables."""

from typing import Any, overload

from insitu.instance import Instance

class Handle:
    """One of an instance's functions, memories, globals or tables."""

    instance: Instance

class Function(Handle):
    """An exported function, or one that a table or a global holds."""

    @property
    def type(self) -> str:
        """A letter for each parameter, ":", one for each result: i is i32, I i64, f f32, F f64, p funcref,
        x externref."""

    @property
    def name(self) -> str:
        """Its name, "function N" where the image has none."""

    def __call__(self, *args: Any) -> Any:
        """Call it: int for i32 and i64, float for f32 and f64, a Function or None for funcref, any object for
        externref. Gives None, the result, or a tuple of several. Most firmware has floats of 32 bits, which cut an
        f64: give its 8 bytes instead; Instance.slots has those of the results. Up to four small ints, and a small
        int or nothing as the result, take no memory.

        Raises Trap; TypeError and OverflowError for arguments; and what an import raised.
        """

    async def call_async(
        self, *args: Any, stack_size: int | None = None, aux_size: int | None = None, slice: int | None = None
    ) -> Any:
        """The same, to be awaited: an import may be async, or give what is awaited, a task for example. Then other
        tasks run, other calls of the instance among them, until it has a result. Cancelling it ends the call.

        While it runs it has an exec env of its own with stack_size bytes, as many as the instance's unless given, and
        aux_size bytes of the aux stack, a quarter unless given. Raises OutOfHeap and Error where there is no room.
        slice: turns of loops, of a module built with --interruptible, after which others run, too. Until it goes on
        linear memory and tables cannot grow where they would move.
        """

class Memory(Handle):
    """Linear memory, as bytes from 0 on. IndexError for what lies outside."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def pages(self) -> int:
        """Pages that the module sees, of 64 KiB or of one byte, though a truncated memory has fewer bytes."""

    def __len__(self) -> int: ...
    def grow(self, pages: int) -> int:
        """Grow by so many pages; how many there were. Raises OutOfHeap."""

    def view(self, start: int, length: int) -> memoryview:
        """The bytes where they are; not to be kept over anything that may grow memory, or end the instance."""

    def read(self, start: int, length: int) -> bytes:
        """A copy of the bytes."""

    def write(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Copy data there."""

    @overload
    def __getitem__(self, key: int) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> bytes: ...
    @overload
    def __setitem__(self, key: int, value: int) -> None: ...
    @overload
    def __setitem__(self, key: slice, value: bytes | bytearray | memoryview) -> None: ...
