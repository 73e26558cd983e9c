"""Operand stacks."""

from typing import Any

from insitu.handles import Function
from insitu.instance import Instance

class ExecEnv:
    """An operand stack that compiled code runs on. Made by Instance.create_exec_env.

    Attributes: stack_size: bytes; busy: calls that have not ended; fuel: what the last call with fuel= left of it,
    None: there was none.
    """

    instance: Instance
    stack_size: int
    busy: int
    fuel: int | None

    def call(self, function: str | Function, *args: Any, timeout_ms: int | None = None, fuel: int | None = None) -> Any:
        """Call an export, by its name, or a Function of the instance, on this stack; see Function.

        Of a module that was built with --interruptible, in a limited time, or with a limited number of turns of loops
        and of calls in recursions: the same number ends the same call at the same point. Raises Trap ("time limit
        exceeded") or OutOfFuel (insitu.limits), which is one, too.
        """

    def terminate(self) -> None:
        """End the call that runs here, with a Trap ("terminated by user"), where it polls next: within milliseconds.

        From an interrupt, a timer, another task. Where none runs, the next call is ended. Only code of a module that
        was built with --interruptible polls.
        """

    def stack_used(self) -> int:
        """The most bytes that were used."""

    def destroy(self) -> None:
        """Give it back. Raises Error while it runs."""
