"""A table of a board file, read field by field: what is missing, of another type or unknown is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from insitu.errors import InsituError

_MOST = 0xFFFFFFFF  # addresses have 32 bits


class BoardError(InsituError):
    """A board that is not there, or whose file is wrong."""


class Table:
    """A table called name ("": the whole file) of the file called file."""

    def __init__(self, file: str, name: str, values: dict[str, Any]) -> None:
        self.file, self.name, self._values = file, name, values
        self._asked: set[str] = set()
        self._inside: list[Table] = []

    def _error(self, text: str) -> BoardError:
        return BoardError(f"{self.file}: {text}")

    def _called(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _get(self, key: str, kind: type, wanted: str, *, needed: bool) -> Any:
        self._asked.add(key)
        if key not in self._values:
            if needed:
                raise self._error(f"the field {self._called(key)!r} is missing")
            return None
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._error(f"the field {self._called(key)!r} must be {wanted}, not {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        found = self._get(key, str, "a text", needed=default is None)
        return str(found) if found is not None else default or ""

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        found = self._get(key, list, "a list of texts", needed=default is None)
        if found is None:
            return default or ()
        if not all(isinstance(text, str) for text in found):
            raise self._error(f"the field {self._called(key)!r} must be a list of texts, not {found!r}")
        return tuple(found)

    def pairs(self, key: str) -> tuple[tuple[int, int], ...]:
        """Pairs of numbers, () where the field is missing."""
        found = self._get(key, list, "a list of pairs", needed=False) or []
        for pair in found:
            if not isinstance(pair, list) or [type(number) for number in pair] != [int, int]:
                raise self._error(f"the field {self._called(key)!r} must be a list of pairs of numbers, not {found!r}")
        return tuple((self._in_range(key, first), self._in_range(key, second)) for first, second in found)

    def number(self, key: str) -> int:
        """An address or a size in bytes."""
        return self._in_range(key, self._get(key, int, "a number", needed=True))

    def maybe_number(self, key: str) -> int | None:
        found = self._get(key, int, "a number", needed=False)
        return None if found is None else self._in_range(key, found)

    def _in_range(self, key: str, value: int) -> int:
        if not 0 <= value <= _MOST:
            raise self._error(f"the field {self._called(key)!r} must be from 0 to {_MOST:#x}, not {value:#x}")
        return value

    def table(self, key: str) -> Table:
        return self._table(key, self._get(key, dict, "a table", needed=True))

    def maybe_table(self, key: str) -> Table | None:
        found = self._get(key, dict, "a table", needed=False)
        return None if found is None else self._table(key, found)

    def _table(self, key: str, values: dict[str, Any]) -> Table:
        inside = Table(self.file, self._called(key), values)
        self._inside.append(inside)
        return inside

    def names(self) -> Iterator[str]:
        return iter(self._values)

    def rest(self) -> dict[str, Any]:
        """All of it; somebody else checks it."""
        self._asked |= self._values.keys()
        return self._values

    def nothing_left(self) -> None:
        """Raise BoardError where a field stands that nobody asked for: most likely it is written wrong."""
        for key in self._values:
            if key not in self._asked:
                raise self._error(f"there is no field {self._called(key)!r}")
        for inside in self._inside:
            inside.nothing_left()
