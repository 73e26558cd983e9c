"""Operand stacks."""

from typing import Any

from insitu.handles import Function
from insitu.instance import Instance

class ExecEnv:
    """An operand stack that compiled code runs on. Made by Instance.create_exec_env.

    Attributes: stack_size: bytes; busy: calls that have not ended.
    """

    instance: Instance
    stack_size: int
    busy: int

    def call(self, function: str | Function, *args: Any) -> Any:
        """Call an export, by its name, or a Function of the instance, on this stack; see Function."""

    def stack_used(self) -> int:
        """The most bytes that were used."""

    def destroy(self) -> None:
        """Give it back. Raises Error while it runs."""
