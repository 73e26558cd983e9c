"""A loaded image. All of it stays in flash."""

from collections.abc import Mapping

from insitu.instance import Exports, Instance
from insitu.runtime import Runtime, _Buffer

class Module:
    """Made by Runtime.load.

    Attributes: base: address of the image; size: its bytes; instances: those that are alive.
    """

    runtime: Runtime
    base: int
    size: int
    instances: list[Instance]

    def export_names(self) -> list[str]:
        """Names of all exports."""

    def instantiate(
        self,
        stack_size: int = 2048,
        heap_size: int = 0,
        imports: Mapping[str, Mapping[str, object] | Exports | Instance] | None = None,
        initial_memory: int | None = None,
        max_memory: int | None = None,
        memory: _Buffer | None = None,
    ) -> Instance:
        """An instance of the module; its start function has run.

        stack_size: bytes of the operand stack that comes with it, 0: none. heap_size: of the app heap; a module that
        exports an allocator gets none. imports: {module: {name: a Python function, or another instance's export}};
        an instance, or its exports, stand for all of them. initial_memory, max_memory: pages of linear memory, the
        module's unless given. memory: where linear memory lies, the global heap unless given.

        Raises LinkError for imports, OutOfHeap, Trap, and Error for sizes that do not fit the image.
        """

    def unload(self) -> None:
        """Let go of the image. Raises Error while there are instances of it."""
