"""Calls that may take so many turns of loops: what they end with. See ExecEnv.call."""

from typing import Any

from insitu import Trap

class OutOfFuel(Trap):
    """A call with fuel= has used it up."""

    def go_on(self, fuel: int, timeout_ms: int | None = None) -> Any:
        """Go on where the call ended, with so much fuel more; its result. Raises what the call would.

        Raises Error where another call ran on the exec env meanwhile, or a memory or a table of the runtime has moved.
        """
