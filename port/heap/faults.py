# What is wrong with a heap, by SMASHED to LISTS.
FAULTS = (
    "block at %d: its boundary was overwritten",
    "block at %d is freed already",
    "no block at %d: freed already, or not from this heap",
    "block at %d: its free list was overwritten",
)
