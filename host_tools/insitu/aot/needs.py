"""Over which instructions of a function what a check said is needed by accesses that it implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from insitu.aot.ranges import Ranges

# In instructions of WebAssembly: from a check to an access that it implies.
_FARTHEST = 90


class Needs:
    """Pairs of a check's index in the function's body and that of an access which it implies."""

    def __init__(self) -> None:
        self._pairs: set[tuple[int, int]] = set()
        self._since: dict[int, int] = {}  # a root of ranges.py to the check

    def note_check(self, root: int, at: int) -> None:
        """An address of that root is checked by the instruction at that index."""
        self._since.setdefault(root, at)

    def note_use(self, ranges: Ranges, root: int, at: int) -> bool:
        """Whether an instruction that checks before imply the check of is to rely on them."""
        since = self._first(ranges, root)
        if since is None:
            return True
        if at - since > _FARTHEST:
            self._since[root] = at
            return False
        self._pairs.add((since, at))
        return True

    def _first(self, ranges: Ranges, root: int) -> int | None:
        """The first check that what is known of a root comes from."""
        found, pending, seen = [], [root], {root}
        while pending:
            root = pending.pop()
            if root in self._since:
                found.append(self._since[root])
            else:
                ways = set(ranges.joined_from.get(root, ())) - seen
                seen |= ways
                pending += ways
        return min(found, default=None)

    def before(self, length: int) -> list[bool]:
        """For each instruction of so many, and the end: whether what was checked before it is needed there or later."""
        changes = [0] * (length + 2)
        for check, use in self._pairs:
            changes[check + 1] += 1
            changes[use + 1] -= 1
        found, depth = [], 0
        for change in changes:
            depth += change
            found.append(depth > 0)
        return found
