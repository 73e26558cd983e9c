# What a .mpy file linked to its place in flash and the device's loader must agree on; docs/native-modules.md has the
# why. Offsets and sizes are in bytes.
from micropython import const

LOADER = "insitu_mpy"  # the loader's module; its parts are called LOADER + "_" + the part

# --- the blob, which follows the code that MicroPython reads: words, then what BLOB_WORDS and BLOB_SECTION say ---
FORMAT_VERSION = const(2)  # of all that is here
BLOB_TAG = const(0)  # CRC-32 of the section, begun with FORMAT_VERSION, its lowest 29 bits: the module has it, too
BLOB_ADDRESS = const(4)  # where it is linked to lie
BLOB_KINDS = const(8)  # 1 << kind of each raw code in it
BLOB_SECTION = const(12)  # bytes of the section
BLOB_WORDS = const(16)  # address of the tables; the first of them is the body's alone
BLOB_TABLES = const(20)  # words of tables, each an address
BLOB_RECORDS = const(24)  # bytes of raw codes, behind the tables
BLOB_HEADER = const(28)  # the section begins here: the body as an ordinary .mpy has it, see write.py
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

# --- function objects (py/objfun.h) ---
FUNCTION_CONTEXT = const(4)
FUNCTION_CHILDREN = const(8)
FUNCTION_CODE = const(12)
ASM_N_ARGS = const(4)
ASM_CODE = const(8)
ASM_SIGNATURE = const(12)
MODULE_GLOBALS = const(4)  # py/obj.h: mp_obj_module_t

MAKER_SIZE = const(6)  # bytecode of the function that makes the body's: the last that MicroPython reads
TRAILER_SIZE = const(8)  # the file's end: bytes before the code, distance of the blob from the file's start or 0
