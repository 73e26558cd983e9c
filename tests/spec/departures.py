"""Where insitu does not do what the standard says, on purpose: of each script, the lines and what it does instead."""

from __future__ import annotations

# The script exports __data_end, __stack_top and __heap_base and expects that nothing follows from their names.
_TRUNCATION = "departs from the standard: memory ends at __heap_base (docs/memory.md)"

_ONE_MEMORY = "spectest has one memory here, and so no shared one beside it: several memories are not supported"

_SHARED = "refused for another reason: the threads proposal knows the flag, of a shared memory, which lacks its maximum"

DEPARTURES: dict[str, dict[int, str]] = {
    "memory.json": dict.fromkeys(range(272, 279), _TRUNCATION),
    "binary.wast": {1555: _SHARED, 1563: _SHARED},
    "threads-imports.json": {499: _ONE_MEMORY, 502: _ONE_MEMORY},
}
