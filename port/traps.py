# Trap texts, in the order of TRAP_* in xip/layout.py. WAMR's words; imported only when a trap is raised.
MESSAGES = (
    "unreachable",
    "out of bounds memory access",
    "integer overflow",
    "integer divide by zero",
    "invalid conversion to integer",
    "indirect call type mismatch",
    "undefined element",
    "uninitialized element",
    "out of bounds table access",
    "wasm operand stack overflow",
    "wasm auxiliary stack overflow",
    "wasm auxiliary stack underflow",
    "unaligned atomic",
    "expected shared memory",
)
