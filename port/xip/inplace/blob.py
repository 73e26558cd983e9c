# What a .mpy file linked to its place in flash and the device's loader must agree on; docs/native-modules.md has the
# why. Offsets and sizes are in bytes.
from micropython import const

LOADER = "insitu_mpy"  # the loader's module; its parts are called LOADER + "_" + the part

# --- the blob, which follows the code that MicroPython reads: words, then what BLOB_WORDS and BLOB_SECTION say ---
FORMAT_VERSION = const(3)  # of all that is here
BLOB_TAG = const(0)  # CRC-32 of the section, begun with FORMAT_VERSION, its lowest 29 bits: the module has it, too
BLOB_ADDRESS = const(4)  # where it is linked to lie
BLOB_KINDS = const(8)  # 1 << kind of each raw code in it
BLOB_SECTION = const(12)  # bytes of the section
BLOB_WORDS = const(16)  # address of the tables; the first of them is the body's alone
BLOB_TABLES = const(20)  # words of tables, each an address
BLOB_RECORDS = const(24)  # bytes of raw codes, behind the tables
BLOB_C = const(28)  # 0, or how far from the header the words C_ are, of a module written in C
BLOB_HEADER = const(32)  # the section begins here: the body as an ordinary .mpy has it, see write.py
# A raw code as py/emitglue.h has mp_raw_code_t, as far as MicroPython reads it: an assembler function's signature is
# there twice, for firmware with MICROPY_PERSISTENT_CODE_SAVE and without; others end before it.
RECORD_KIND = const(2)
RECORD_DATA = const(4)
RECORD_CHILDREN = const(8)
RECORD_SIZE = const(12)
RECORD_SIGNATURE = const(12)
RECORD_SIGNATURE_SAVE = const(20)
RECORD_SIZE_ASM = const(24)

KIND_BYTECODE = const(2)  # py/emitglue.h: mp_raw_code_kind_t
KIND_NATIVE = const(3)
KIND_VIPER = const(4)
KIND_ASM = const(5)

# What a module written in C is linked to. Bytes of the section are not as the ordinary .mpy has them then; those that
# it has follow these words.
C_FIRST = const(0)  # the first byte that differs, from the header on
C_CHANGED = const(4)  # bytes from there on
C_TABLE = const(8)  # address of mp_fun_table
C_CRC = const(12)  # CRC-32 of its FUN_TABLE words
C_START = const(16)  # address of the RAM of all modules that were linked together, in MicroPython's heap
C_ALL = const(20)  # bytes of it
C_RAM = const(24)  # address of this module's part: the three that follow, each a multiple of 4
C_DATA = const(28)  # bytes of the code's variables, zeros at first
C_QSTRS = const(32)  # bytes of the table of names; 0: it may lie anywhere
C_OBJECTS = const(36)  # bytes of the table of constants; 0: it may lie anywhere
C_SIZE = const(40)
LEAST = const(256)  # bytes of all: smaller rooms are left alone by the loader when it fills what lies lower
FUN_TABLE = const(87)  # words of mp_fun_table (py/nativeglue.h) that code for .mpy version 6.3 uses

# --- function objects (py/objfun.h) ---
FUNCTION_CONTEXT = const(4)
FUNCTION_CHILDREN = const(8)
FUNCTION_CODE = const(12)
ASM_N_ARGS = const(4)
ASM_CODE = const(8)
ASM_SIGNATURE = const(12)
MODULE_GLOBALS = const(4)  # py/obj.h: mp_obj_module_t
CONTEXT_QSTRS = const(8)  # py/bc.h: mp_module_context_t
CONTEXT_OBJECTS = const(12)
STREAM_TEXT = const(4)  # py/objstringio.h: mp_obj_stringio_t
TEXT_BUFFER = const(8)  # py/misc.h: vstr_t; its size is its first word

MAKER_SIZE = const(6)  # bytecode of the function that makes the body's: the last that MicroPython reads
TRAILER_SIZE = const(8)  # the file's end: bytes before the code, distance of the blob from the file's start or 0
