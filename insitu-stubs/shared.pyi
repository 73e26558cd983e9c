"""Globals and tables, which instances share."""

from typing import Any

from insitu.handles import Handle

class Global(Handle):
    """A global. Its value can be set where it is mutable, TypeError where it is not."""

    @property
    def type(self) -> int:
        """The letter of its type, see Function, as a number, + 256 if it is mutable."""

    @property
    def value(self) -> Any:
        """As results of a Function are."""

    @value.setter
    def value(self, value: Any) -> None: ...

class Table(Handle):
    """A table: functions, or any objects; None is null. IndexError for what lies outside."""

    @property
    def type(self) -> str:
        """The letter of its elements: p funcref, x externref."""

    def __len__(self) -> int: ...
    def __getitem__(self, i: int) -> Any: ...
    def __setitem__(self, i: int, value: Any) -> None: ...
    def grow(self, count: int, value: Any = None) -> int:
        """Grow by so many entries of value; how many there were. Raises OutOfHeap."""
