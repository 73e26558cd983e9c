"""Memory for the host inside linear memory: the app heap, or the module's own allocator."""

class ModuleHeap:
    """Methods of Instance, with WAMR's names. They give places in linear memory; 0: no room.

    Raise Error if there is neither an app heap nor an allocator among the exports.
    """

    def module_malloc(self, size: int) -> int:
        """A new block."""

    def module_realloc(self, at: int, size: int) -> int:
        """The block's new place; 0: no room, and then the block is as it was."""

    def module_free(self, at: int) -> None:
        """Give a block back."""

    def module_dup_data(self, data: bytes | bytearray | memoryview) -> int:
        """A new block with a copy of data."""
