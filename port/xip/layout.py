# What the compiler and the device must agree on: the image in flash, and the blocks in RAM that compiled
# code reaches by constant offsets. Offsets and sizes are in bytes, every field is a little-endian word
# unless it says otherwise. docs/SPEC.md explains the why of each.
from micropython import const

# --- image header; every *_OFFSET found in it is relative to the image's first byte ---
MAGIC = const(0x58534E49)  # b"INSX"
FORMAT_VERSION = const(5)

IMAGE_MAGIC = const(0)
IMAGE_VERSION = const(4)
IMAGE_ARCH = const(8)  # ARCH_*
IMAGE_FEATURES = const(12)  # FEATURE_*, what the CPU must have
IMAGE_SIZE = const(16)  # of the whole image
IMAGE_CRC = const(20)  # CRC-32 (zlib's) of the bytes from IMAGE_CRC + 4 to the end
IMAGE_CODE_OFFSET = const(24)
IMAGE_CODE_SIZE = const(28)
IMAGE_ENTER = const(32)  # the stub that Python calls with an exec env: starts or resumes it
IMAGE_SIZE_INVERTED = const(36)  # ~IMAGE_SIZE: a damaged size is found before so many bytes are read
IMAGE_FLAGS = const(40)  # FLAG_*
IMAGE_START_FUNCTION = const(44)  # function index, NONE if there is none
IMAGE_TYPES = const(48)  # offset, then count: TYPE_* records
IMAGE_FUNCTIONS = const(56)  # offset, count: FUNCTION_* records; imports first
IMAGE_IMPORTS = const(64)  # IMPORT_* records, in the module's order
IMAGE_EXPORTS = const(72)  # EXPORT_*
IMAGE_GLOBALS = const(80)  # GLOBAL_*; imports first
IMAGE_TABLES = const(88)  # TABLE_*; imports first
IMAGE_DATA = const(96)  # DATA_*
IMAGE_ELEMENTS = const(104)  # ELEMENT_*
IMAGE_NAMES = const(112)  # offset, count: one word a function, the offset of its name (STRING) or 0
IMAGE_INSTANCE_SIZE = const(120)  # bytes of the instance block below the instance pointer, multiple of 8
IMAGE_ARGS = const(124)  # args area: distance below the instance pointer
IMAGE_ARG_SLOTS = const(128)  # 8-byte slots in it
# bytes of linear memory to allocate: whole pages, or truncated; of an imported one, what the code relies on
IMAGE_MEMORY_SIZE = const(132)
IMAGE_MEMORY_MIN = const(136)  # pages, as the module says
IMAGE_MEMORY_MAX = const(140)  # pages, NONE if it has no maximum
IMAGE_AUX_STACK_BOTTOM = const(144)  # address in linear memory
IMAGE_AUX_STACK_SIZE = const(148)  # 0: the module has no aux stack that could be found
IMAGE_STACK_POINTER = const(152)  # index of the aux stack pointer global, or NONE
IMAGE_DATA_END = const(156)  # __data_end, or NONE
IMAGE_HEAP_BASE = const(160)  # __heap_base, or NONE
IMAGE_STACK_GUARD = const(164)  # bytes of an operand stack that only unchecked frames may use
IMAGE_STACK_NEEDED = const(168)  # operand stack that the call graph needs, NONE with recursion
# bytes at the end of a fixed linear memory that are kept for an app heap; of a memory with a window, its start
IMAGE_APP_HEAP = const(172)
# bytes behind a truncated memory that its code may come to, multiple of 8; of a memory with a window, bytes of that
IMAGE_MEMORY_SLACK = const(176)
HEADER_SIZE = const(180)
MOST_IMAGE = const(0x1000000)  # bytes of an image

NONE = const(0xFFFFFFFF)

ARCH_THUMB = const(1)  # ARMv7-M, soft-float calling convention
ARCH_THUMB_HARD_FLOAT = const(2)  # ARMv7E-M with single-precision FPU
ARCH_RV32 = const(3)  # rv32imc, ilp32
ARCH_ARMV6M = const(4)  # and every other Cortex-M; soft-float calling convention
FEATURE_FPU = const(1)  # Arm: single precision
FEATURE_ARMV8M = const(2)  # ARMv8-M Mainline, and with it FPv5
FEATURE_UNALIGNED = const(4)  # RISC-V: loads and stores at any address
FEATURE_BITS = const(8)  # RISC-V: Zba, Zbb, Zbs, Zbkb
FEATURE_DOUBLE = const(16)  # Arm: double precision, and with it FPv5

FLAG_MEMORY = const(1)  # has a linear memory, its own or imported
FLAG_MEMORY_IMPORTED = const(2)
FLAG_MEMORY_FIXED = const(4)  # linear memory starts at the instance pointer and cannot grow
FLAG_MEMORY_TRUNCATED = const(8)  # ends at __heap_base, not at the page
FLAG_MEMORY_GROWS = const(16)
FLAG_EXTERNREF = const(32)  # in a type, a global or a table
FLAG_MEMORY_WINDOW = const(64)  # a range of it lies at the instance pointer, all else in far pages
FLAG_INTERRUPTIBLE = const(128)  # its loops and recursions poll
FLAG_MEMORY_SHARED = const(256)  # of the threads proposal
FLAG_MEMORY_BYTES = const(512)  # its pages have one byte, as the proposal of custom page sizes has them
FLAGS_FAR_SHIFT = const(16)  # with a window: where in the flags log2 of a far page's bytes is, 4 bits

# Words in the code by which a loader knows that an offset is what it is said to be: before the entry stub; before a
# thunk, xored with its type's signature word, and where memory has a window with the signature of the two header words
# from IMAGE_APP_HEAP on and with a far page's bytes, which the code has as constants. Before a function that is reached
# other than by a direct call stands the signature word itself.
MARK_ENTER = const(0x49535845)
MARK_THUNK = const(0x49535854)

# STRING: 16-bit length, then UTF-8 bytes, no terminator; 2-byte aligned.

# --- records ---
TYPE_HASH = const(0)  # signature word: FNV-1a of the signature string, never 0
TYPE_THUNK = const(4)  # offset of the thunk that calls a function of this type with the args area, or 0
TYPE_STRING = const(8)  # STRING such as "iIfF:i": i i32, I i64, f f32, F f64, p funcref, x externref
TYPE_SIZE = const(12)

FUNCTION_CODE = const(0)  # offset of the code; Thumb bit not set. Of an import: its wrapper
FUNCTION_TYPE = const(4)  # index into types
FUNCTION_SIZE = const(8)

KIND_FUNCTION = const(0)
KIND_TABLE = const(1)
KIND_MEMORY = const(2)
KIND_GLOBAL = const(3)

IMPORT_KIND = const(0)
IMPORT_MODULE = const(4)  # STRING
IMPORT_NAME = const(8)  # STRING
IMPORT_INDEX = const(12)  # in the index space of its kind
IMPORT_SLOT = const(16)  # distance of its slot below the instance pointer (memory: 0, the header is it)
IMPORT_SIZE = const(20)

EXPORT_NAME = const(0)  # STRING
EXPORT_KIND = const(4)
EXPORT_INDEX = const(8)
EXPORT_SIZE = const(12)

# A constant expression is three words: kind, low, high.
EXPR_CONST = const(0)  # the value's bits
EXPR_GLOBAL = const(1)  # low: global index
EXPR_FUNCTION = const(2)  # low: function index, NONE: null
EXPR_NULL = const(3)  # of externref

GLOBAL_TYPE = const(0)  # a letter of TYPE_STRING; + 256 if mutable
GLOBAL_SLOT = const(4)  # distance of its 8-byte (imported: 4-byte address) slot below the instance pointer
GLOBAL_INIT = const(8)  # expression; unused for imports
GLOBAL_SIZE = const(20)

TABLE_TYPE = const(0)  # "p" or "x"
TABLE_MIN = const(4)
TABLE_MAX = const(8)  # NONE if it has none
TABLE_SLOT = const(12)  # distance of its slot below the instance pointer
TABLE_ENTRIES = const(16)  # distance of its entries; 0: allocated apart (imported: by its owner)
TABLE_SIZE = const(20)
MOST_ENTRIES = const(0x1000000)
PAGE_SIZE = const(65536)  # bytes
MOST_PAGES = const(0x3FFF)  # of linear memory: its size in bytes is a small int of the device, which has 31 bits

DATA_MODE = const(0)  # SEGMENT_*
DATA_OFFSET = const(4)  # expression
DATA_START = const(16)  # offset of the bytes in the image
DATA_LENGTH = const(20)
DATA_SIZE = const(24)

ELEMENT_MODE = const(0)
ELEMENT_TABLE = const(4)
ELEMENT_OFFSET = const(8)  # expression
ELEMENT_ITEMS = const(20)  # offset of the items: one expression each
ELEMENT_COUNT = const(24)
ELEMENT_TYPE = const(28)  # "p" or "x"
ELEMENT_SIZE = const(32)

SEGMENT_ACTIVE = const(0)
SEGMENT_PASSIVE = const(1)
SEGMENT_DECLARATIVE = const(2)

# --- instance block: the instance pointer points at its end, where a fixed linear memory begins. ---
# Distances BELOW the instance pointer.
INSTANCE_RUNTIME = const(4)  # address of the runtime cell
INSTANCE_MEMORY_BASE = const(8)
INSTANCE_MEMORY_SIZE = const(12)  # bytes
INSTANCE_IMAGE = const(16)  # address of the image
INSTANCE_MEMORY_PAGES = const(20)  # what memory.size answers, where memory is not fixed
INSTANCE_ID = const(24)  # the runtime's number for the instance
# Of an interruptible module: turns of loops, and calls in recursions, that are left until it leaves with REQUEST_POLL.
INSTANCE_FUEL = const(28)
INSTANCE_AUX_BOTTOM = const(32)  # address in linear memory: where the aux stack ends of the call that runs now
INSTANCE_HEADER = const(32)  # then: globals, import slots, args area, tables
# Of a memory with a window: its far pages, and what follows the header begins at INSTANCE_FAR. A page's slot in the
# table is its number (address / a page's bytes) and its address, or FAR_NONE. The slot's place is the number and the
# number >> FAR_HASH_SHIFT, added, so that pages in a row never share one; or the next one FAR_STEP on.
FAR_COUNT = const(36)  # accesses that came to the routine, since the instance was made
FAR_PAGES = const(40)  # pages that the runtime took from the global heap
FAR_HIGH = const(44)  # the address behind the window
FAR_ADDRESS = const(48)  # that a page is asked for
FAR_LEFT = const(52)  # pages that are still to be had without the runtime
FAR_NEXT = const(56)  # address of the first of them
FAR_MASK = const(60)  # bytes of the table less one slot
FAR_TABLE = const(64)  # its address
FAR_LOW = const(68)  # the window's first address
INSTANCE_FAR = const(72)
FAR_LEAST_SHIFT = const(6)  # of a far page's bytes, log2
FAR_MOST_SHIFT = const(8)
FAR_HASH_SHIFT = const(6)
FAR_NONE = const(0xFFFFFFFF)
FAR_SLOT = const(8)  # bytes
FAR_STEP = const(56)  # from a slot that is another page's to the next one, bytes: out of a row of pages in a few steps
FAR_SLOTS = const(16)  # of a table, at first
# An import's slot: code address (0: Python is asked), instance pointer.
IMPORT_SLOT_CODE = const(0)
IMPORT_SLOT_INSTANCE = const(4)
# A table's slot: address of the entries, number of entries.
TABLE_SLOT_ENTRIES = const(0)
TABLE_SLOT_LENGTH = const(4)
# A funcref, wherever it is kept: code address (with Thumb bit), instance pointer. Signature word: the 4 bytes
# before the code. Null: the end of the runtime cell (with Thumb bit), 0.
FUNCREF_SIZE = const(8)
EXTERNREF_SIZE = const(4)  # in tables; a word. 0: null, otherwise a handle of the runtime

# --- runtime cell: who runs now; one a runtime, set whenever an exec env is entered ---
CELL_LIMIT = const(0)  # lowest stack pointer that checked code may have
CELL_EXEC_ENV = const(4)  # 0: no compiled code runs
CELL_NULL = const(8)  # 0: the signature word of a null funcref, which is one whose code begins behind it
CELL_NULL_CODE = const(12)
CELL_LOCK = const(12)  # of Python alone: not 0 while what is in an args area or an exec env waits to be used
CELL_SIZE = const(16)

# --- exec env, at the low end of its block; the operand stack lies above it and grows down ---
ENV_MAIN_SP = const(0)
# where a start begins, or a resume goes on; the runtime sets it when it has seen that code left for a request
ENV_SP = const(4)
ENV_LIMIT = const(8)  # ENV_BOTTOM + the runtime's stack guard
ENV_STOP = const(12)  # not 0: the call is to be stopped where it polls next
ENV_INSTANCE = const(16)  # instance pointer of the code that left
ENV_PC = const(20)  # of a trap or a poll: address in the function
ENV_LEFT = const(24)  # the stack pointer of the code that left for a request
ENV_START_INSTANCE = const(28)  # instance pointer of what is started on it
ENV_CELL = const(36)  # address of the runtime cell
ENV_BOTTOM = const(40)  # lowest address of the operand stack
ENV_TOP = const(44)
ENV_SIZE = const(48)
PAINT = const(0xA5)  # what of an operand stack was never used; no stack pointer and no small number is made of it

# --- requests: why compiled code left. Operands and results are in the instance's args area. ---
# A request's word, its kind and its operand above, is a small int of the device and not negative: below 1 << 30.
MOST_OPERANDS = const(1 << 22)
REQUEST_RETURN = const(0)
REQUEST_TRAP = const(1)  # operand: TRAP_*
REQUEST_IMPORT = const(2)  # operand: function index
REQUEST_MEMORY_GROW = const(3)  # args[0]: pages; result there
REQUEST_MEMORY_INIT = const(4)  # operand: segment; args: destination, source, length
REQUEST_DATA_DROP = const(5)
TABLE_SHIFT = const(12)  # so many bits for the second of two indices in an operand, and the rest for the first
MOST_TABLES = const(1 << 10)
MOST_ELEMENTS = const(1 << 12)  # element segments
REQUEST_TABLE_INIT = const(6)  # operand: table << TABLE_SHIFT | segment; args: destination, source, length
REQUEST_ELEM_DROP = const(7)
REQUEST_TABLE_COPY = const(8)  # operand: destination table << TABLE_SHIFT | source table; args as above
REQUEST_TABLE_GROW = const(9)  # operand: table; args: count, reference; result in args[0]
REQUEST_TABLE_FILL = const(10)  # operand: table; args: index, reference, count
REQUEST_BUSY = const(11)  # from the stub: not entered, for compiled code runs already, or an interrupt's handler calls
REQUEST_MEMORY_FILL = const(12)  # args: destination, byte, length
REQUEST_MEMORY_COPY = const(13)  # args: destination, source, length
REQUEST_FAR_PAGE = const(14)  # a page for FAR_ADDRESS is to be had
REQUEST_POLL = const(15)  # INSTANCE_FUEL has run out, or does not suffice for a loop
REQUEST_ATOMIC_WAIT = const(17)  # operand: bytes; args: address, expected value, timeout in ns; result in args[0]
REQUEST_ATOMIC_NOTIFY = const(18)  # args: address, count; result in args[0]

# --- traps: texts in port/traps.py, in this order ---
TRAP_UNREACHABLE = const(0)
TRAP_OUT_OF_BOUNDS_MEMORY = const(1)
TRAP_INTEGER_OVERFLOW = const(2)
TRAP_INTEGER_DIVIDE_BY_ZERO = const(3)
TRAP_INVALID_CONVERSION = const(4)
TRAP_INDIRECT_CALL_TYPE = const(5)
TRAP_UNDEFINED_ELEMENT = const(6)
TRAP_UNINITIALIZED_ELEMENT = const(7)
TRAP_OUT_OF_BOUNDS_TABLE = const(8)
TRAP_OPERAND_STACK_OVERFLOW = const(9)
TRAP_AUX_STACK_OVERFLOW = const(10)
TRAP_AUX_STACK_UNDERFLOW = const(11)
TRAP_UNALIGNED_ATOMIC = const(12)
TRAP_EXPECTED_SHARED_MEMORY = const(13)
# Of an interruptible module, by the runtime.
TRAP_TERMINATED = const(14)
TRAP_TIMEOUT = const(15)
TRAP_FUEL = const(16)
