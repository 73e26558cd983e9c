# Telemetry on the serial line: what both sides must agree on. docs/SPEC.md has the bytes.
from micropython import const

# A frame: START0 START1, the stuffed body, END. Bytes that must not appear in the body are sent as ESCAPE and
# the byte ^ FLIP: the marks, which no UTF-8 text has, and what a REPL gives a meaning to or changes
# (Ctrl-C, Ctrl-D, line ends).
FRAME_START0 = const(0xC1)
FRAME_START1 = const(0xF5)
FRAME_END = const(0xC0)
FRAME_ESCAPE = const(0xFE)
FRAME_FLIP = const(0x20)
# The body: version (1 byte), records, CRC-32 (4 bytes, little-endian, zlib's, of all before it).
FRAME_VERSION = const(3)
# A record: kind (1 byte), then the words of its kind, little-endian; a mark: length (1 byte), then a name in UTF-8.
# Pools add up: used = runtime + host + each instance's block, memory in heap and apart + each exec env's block,
# and of a pool (kind 0) used + overhead + free = size.
RECORD_HEAP = const(1)  # kind, size, used, overhead, free, peak, largest free block, runtime, host (malloc)
RECORD_MODULE = const(2)  # address, image bytes, code bytes
# id, image address, block bytes, memory bytes in the heap, bytes apart (tables, constants given as imports),
# linear memory: address, bytes; aux stack: bottom, size, peak; app heap: start, size, used, peak
RECORD_INSTANCE = const(3)
RECORD_EXEC_ENV = const(4)  # instance id, address, block bytes, stack size, stack peak
RECORD_PYTHON = const(5)  # MicroPython's heap: size, used
RECORD_MARK = const(6)  # what the program calls this moment
RECORD_TRAPS = const(7)  # how many there were
# Of a memory with a window: instance id, where the window begins, its bytes, bytes of a far page, far pages: in use,
# lying ready, accesses to any (and to what was never written, and coarse at the window's end: aot/window.py)
RECORD_FAR = const(8)
