"""A module instance: its memory, its exports, its operand stacks."""

from typing import Any

from insitu.addresses import Addresses
from insitu.app_heap import ModuleHeap
from insitu.exec_env import ExecEnv
from insitu.handles import Function, Memory
from insitu.module import Module
from insitu.runtime import Runtime
from insitu.shared import Global, Table

class Exports:
    """Exports by name: functions, memories, globals, tables."""

    def __init__(self, instance: Instance) -> None: ...
    def __getattr__(self, name: str) -> Any:
        """Raises AttributeError, which names those that there are."""

class Instance(Addresses, ModuleHeap):
    """Made by Module.instantiate.

    Attributes: exports: what the module exports, as attributes; exec_env: the operand stack that came with it, None:
    none did; slots: 8 bytes for each argument of a call or, behind it, for each result that is no i32 alone.
    """

    runtime: Runtime
    module: Module
    exports: Exports
    exec_env: ExecEnv | None
    slots: memoryview

    def lookup(self, name: str) -> Function | Memory | Global | Table | None:
        """An export of any name, None if there is none."""

    def lookup_function(self, name: str) -> Function | None:
        """An exported function, None if there is none."""

    @property
    def memory(self) -> Memory | None:
        """Linear memory, exported or not; None: the module has none."""

    def memory_size(self) -> int:
        """Bytes of linear memory."""

    def aux_stack(self) -> tuple[int, int]:
        """Bottom and bytes of the aux stack in linear memory; 0 bytes: none is known."""

    def aux_stack_used(self) -> int:
        """The most bytes of it that were used."""

    def create_exec_env(self, stack_size: int = 2048) -> ExecEnv:
        """One more operand stack, from the global heap. Raises OutOfHeap, and Error if it is too small."""

    def deinstantiate(self) -> None:
        """Give everything back; handles of the instance raise Error from then on.

        Raises Error while it runs, or another instance imports from it.
        """
