"""What is said of code that breaks the contract."""

from __future__ import annotations

from insitu.errors import InsituError


class ContractError(InsituError):
    """The machine code is not what the sandbox needs it to be: a bug of insitu, not of the module's author."""

    def __init__(self, function: str, offset: int, reason: str) -> None:
        super().__init__(
            f"{function}, offset {offset:#x} of it: {reason}. The module was not built: this is a bug of insitu"
        )
        self.function, self.offset, self.reason = function, offset, reason

    def __reduce__(self) -> tuple[type[ContractError], tuple[str, int, str]]:
        """It comes from another process where there are several."""
        return type(self), (self.function, self.offset, self.reason)
