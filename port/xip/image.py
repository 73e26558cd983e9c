# The image in flash: everything in it is checked once, before any of it is used; then it is read in place.
from micropython import const

from .. import platform
from ..errors import LoadError
from .checks import crc32, first_bad, first_bad_string, signature
from .layout import (
    ARCH_ARMV6M,
    ARCH_RV32,
    ARCH_THUMB,
    ARCH_THUMB_HARD_FLOAT,
    DATA_LENGTH,
    DATA_MODE,
    DATA_OFFSET,
    DATA_SIZE,
    DATA_START,
    ELEMENT_COUNT,
    ELEMENT_ITEMS,
    ELEMENT_MODE,
    ELEMENT_OFFSET,
    ELEMENT_SIZE,
    ELEMENT_TABLE,
    ELEMENT_TYPE,
    EXPORT_INDEX,
    EXPORT_KIND,
    EXPORT_NAME,
    EXPORT_SIZE,
    EXPR_CONST,
    EXPR_FUNCTION,
    EXPR_GLOBAL,
    EXPR_NULL,
    EXTERNREF_SIZE,
    FAR_LEAST_SHIFT,
    FAR_MOST_SHIFT,
    FEATURE_ARMV8M,
    FEATURE_BITS,
    FEATURE_DOUBLE,
    FEATURE_FPU,
    FEATURE_UNALIGNED,
    FLAG_MEMORY,
    FLAG_MEMORY_BYTES,
    FLAG_MEMORY_FIXED,
    FLAG_MEMORY_GROWS,
    FLAG_MEMORY_IMPORTED,
    FLAG_MEMORY_WINDOW,
    FLAGS_FAR_SHIFT,
    FORMAT_VERSION,
    FUNCREF_SIZE,
    FUNCTION_CODE,
    FUNCTION_SIZE,
    FUNCTION_TYPE,
    GLOBAL_INIT,
    GLOBAL_SIZE,
    GLOBAL_SLOT,
    GLOBAL_TYPE,
    HEADER_SIZE,
    IMAGE_APP_HEAP,
    IMAGE_ARCH,
    IMAGE_ARG_SLOTS,
    IMAGE_ARGS,
    IMAGE_CODE_OFFSET,
    IMAGE_CODE_SIZE,
    IMAGE_CRC,
    IMAGE_DATA,
    IMAGE_ELEMENTS,
    IMAGE_ENTER,
    IMAGE_EXPORTS,
    IMAGE_FEATURES,
    IMAGE_FLAGS,
    IMAGE_FUNCTIONS,
    IMAGE_GLOBALS,
    IMAGE_IMPORTS,
    IMAGE_INSTANCE_SIZE,
    IMAGE_MAGIC,
    IMAGE_MEMORY_MIN,
    IMAGE_MEMORY_SIZE,
    IMAGE_MEMORY_SLACK,
    IMAGE_NAMES,
    IMAGE_SIZE,
    IMAGE_SIZE_INVERTED,
    IMAGE_STACK_POINTER,
    IMAGE_START_FUNCTION,
    IMAGE_TABLES,
    IMAGE_TYPES,
    IMAGE_VERSION,
    IMPORT_INDEX,
    IMPORT_KIND,
    IMPORT_MODULE,
    IMPORT_NAME,
    IMPORT_SIZE,
    IMPORT_SLOT,
    INSTANCE_FAR,
    INSTANCE_HEADER,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    KIND_TABLE,
    MAGIC,
    MARK_ENTER,
    MARK_THUNK,
    MOST_ELEMENTS,
    MOST_ENTRIES,
    MOST_IMAGE,
    MOST_PAGES,
    MOST_TABLES,
    NONE,
    SEGMENT_DECLARATIVE,
    TABLE_ENTRIES,
    TABLE_MIN,
    TABLE_SIZE,
    TABLE_SLOT,
    TABLE_TYPE,
    TYPE_HASH,
    TYPE_SIZE,
    TYPE_STRING,
    TYPE_THUNK,
)
from .raw import add, peek, string

users = 0  # loads that are under way: a scheduled callback's may interrupt another

_I32 = const(105)  # letters of TYPE_STRING
_FUNCREF = const(112)
_EXTERNREF = const(120)

_FOR = (
    (ARCH_THUMB, "ARMv7-M (Cortex-M3 and up)"),
    (ARCH_THUMB_HARD_FLOAT, "ARMv7E-M with FPU (Cortex-M4F and up)"),
    (ARCH_RV32, "rv32imc"),
    (ARCH_ARMV6M, "ARMv6-M (Cortex-M0+ and up)"),
)
_NEEDS = (
    (FEATURE_FPU, "an FPU"),
    (FEATURE_ARMV8M, "ARMv8-M"),
    (FEATURE_UNALIGNED, "misaligned accesses"),
    (FEATURE_DOUBLE, "a double-precision FPU"),
    (FEATURE_BITS, "Zba, Zbb, Zbs and Zbkb"),
)


def _arch_name(arch):
    for number, name in _FOR:
        if number == arch:
            return name
    return "architecture %d" % arch


# The header's claims about itself. limit: bytes that the source has, or None.
def check_header(base, limit):
    if limit is not None and limit < HEADER_SIZE:
        raise LoadError("not an image: %d bytes, the header alone has %d" % (limit, HEADER_SIZE))
    if base & 3:
        raise LoadError("the image lies at 0x%x: put it at a multiple of 4" % base)
    if peek(base, IMAGE_MAGIC) != MAGIC:
        raise LoadError("no image at 0x%x: it does not begin with INSX; was it flashed?" % base)
    version = peek(base, IMAGE_VERSION)
    if version != FORMAT_VERSION:
        raise LoadError(
            "the image has format version %d, this runtime reads %d: build it with the insitu that the "
            "device has" % (version, FORMAT_VERSION)
        )
    arch = peek(base, IMAGE_ARCH)
    if arch not in platform.archs():
        raise LoadError(
            "the image is for %s, this device runs images for %s: build it with -b for this board"
            % (_arch_name(arch), " or ".join([_arch_name(a) for a in platform.archs()]))
        )
    missing = peek(base, IMAGE_FEATURES) & ~platform.features()
    if missing:
        what = " and ".join([name for bit, name in _NEEDS if missing & bit]) or "CPU features 0x%x" % missing
        raise LoadError("the image needs %s, which this %s has not: build it for this board" % (what, platform.name()))
    size = peek(base, IMAGE_SIZE)
    if size ^ peek(base, IMAGE_SIZE_INVERTED) != 0xFFFFFFFF or not HEADER_SIZE <= size <= MOST_IMAGE:
        raise LoadError("the image's size is damaged: flash it again")
    if limit is not None and size > limit:
        raise LoadError("the image says that it has %d bytes, there are %d: flash it again" % (size, limit))
    return size


def check_crc(base, size):
    # CRC-32's table for 4 bits, made here: it need not stay
    table = bytearray(64)
    for i in range(16):
        crc = i
        for _ in range(4):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
        for j in range(4):
            table[4 * i + j] = crc >> 8 * j & 0xFF
    wanted = peek(base, IMAGE_CRC)
    found = crc32(base, IMAGE_CRC + 4, size - IMAGE_CRC - 4, table)
    if found != wanted:
        raise LoadError(
            "the image is damaged: its CRC is 0x%08x, its header says 0x%08x; flash it again" % (found, wanted)
        )


class Checker:
    def __init__(self, base, size):
        self.base = base
        self.size = size
        self.code = self.word(IMAGE_CODE_OFFSET)
        self.code_end = self.code + self.word(IMAGE_CODE_SIZE)
        self.block = self.word(IMAGE_INSTANCE_SIZE)

    def word(self, offset):
        return peek(self.base, offset)

    def fail(self, what, index, name):
        raise LoadError("the image is malformed: %s %d: its %s; build it again" % (what, index, name))

    def demand(self, right, what):
        if not right:
            raise LoadError("the image is malformed: %s; build it again" % what)

    # Offset and count of an array of records, inside the image.
    def records(self, part, size, name):
        offset, count = self.word(part), self.word(part + 4)
        self.demand(
            count <= self.size and not (offset & 3) and (not count or offset >= HEADER_SIZE)
            and offset + count * size <= self.size,
            name,
        )  # fmt: skip
        return offset, count

    # A field of all the records lies in low .. high - 1, without mask's bits, or is exempt (default: NONE).
    def field(self, what, array, stride, field, low, high, name, mask=0, exempt=None):
        if exempt is None:
            if low >= high and array[1]:
                self.fail(what, 0, name)
            exempt = low
        bad = first_bad(self.base, array[0] + field, array[1], stride, low, high, mask, exempt)
        if bad >= 0:
            self.fail(what, bad, name)

    # Whether the word before code at an offset is mark.
    def marked(self, at, mark):
        return not at & 3 and self.word(at - 4) == mark

    # A function that can be called other than directly: its code carries the word of its type.
    def callable(self, index):
        record = self.word(IMAGE_FUNCTIONS) + index * FUNCTION_SIZE
        at = self.word(record + FUNCTION_CODE)
        type_record = self.word(IMAGE_TYPES) + self.word(record + FUNCTION_TYPE) * TYPE_SIZE
        return at and self.word(type_record + TYPE_THUNK) and self.marked(at, self.word(type_record))

    def strings(self, what, array, stride, field, optional=0):
        bad = first_bad_string(self.base, array[0] + field, array[1], stride, self.size, optional)
        if bad >= 0:
            self.fail(what, bad, "name")

    def slots(self, what, array, stride, field, size, optional=False):
        self.field(
            what,
            array,
            stride,
            field,
            INSTANCE_HEADER + size,
            self.block + 1,
            "slot",
            3,
            0 if optional else None,
        )

    def check(self):
        self._header()
        types = self.records(IMAGE_TYPES, TYPE_SIZE, "types")
        functions = self.records(IMAGE_FUNCTIONS, FUNCTION_SIZE, "functions")
        global_count = self.word(IMAGE_GLOBALS + 4)
        self.field("type", types, TYPE_SIZE, TYPE_HASH, 1, NONE, "hash", 0, NONE)
        self.field("type", types, TYPE_SIZE, TYPE_THUNK, self.code, self.code_end, "thunk", 1, 0)
        self.strings("type", types, TYPE_SIZE, TYPE_STRING)
        # functions that nothing outside of the code reaches have no code offset
        self.field("function", functions, FUNCTION_SIZE, FUNCTION_CODE, self.code, self.code_end, "code", 1, 0)
        self.field("function", functions, FUNCTION_SIZE, FUNCTION_TYPE, 0, types[1], "type")
        self._type_strings(types)
        start = self.word(IMAGE_START_FUNCTION)
        self.demand(start == NONE or (start < functions[1] and self.callable(start)), "start function")
        counts = (functions[1], self.word(IMAGE_TABLES + 4), 1, global_count)
        self._imports(counts)
        self._exports(counts)
        self._globals(global_count)
        self._tables()
        self._slots()
        self._data(global_count)
        self._elements(counts[KIND_TABLE], global_count)
        names = self.records(IMAGE_NAMES, 4, "names")
        self.strings("name", names, 4, 0, 1)

    def _header(self):
        self.demand(HEADER_SIZE <= self.code <= self.code_end <= self.size and not self.code & 3, "place of the code")
        at = self.word(IMAGE_ENTER)
        self.demand(self.code + 4 <= at < self.code_end and self.marked(at, MARK_ENTER), "place of the stub")
        args, slots = self.word(IMAGE_ARGS), self.word(IMAGE_ARG_SLOTS)
        flags, size = self.word(IMAGE_FLAGS), self.word(IMAGE_MEMORY_SIZE)
        window = flags & FLAG_MEMORY_WINDOW
        self.header = INSTANCE_FAR if window else INSTANCE_HEADER
        self.demand(self.header <= self.block < 0x10000000 and not self.block & 7, "instance size")
        self.demand(
            not args & 7 and slots < 0x10000 and self.header + 8 * slots <= args <= self.block,
            "args area",
        )
        pages = self.word(IMAGE_MEMORY_MIN)
        self.demand(
            not flags & FLAG_MEMORY_FIXED
            or flags & (FLAG_MEMORY | FLAG_MEMORY_IMPORTED | FLAG_MEMORY_GROWS) == FLAG_MEMORY,
            "memory flags",
        )
        self.demand(
            not window or flags & (FLAG_MEMORY | FLAG_MEMORY_IMPORTED | FLAG_MEMORY_FIXED) == FLAG_MEMORY,
            "memory flags",
        )
        unit = 1 if flags & FLAG_MEMORY_BYTES else 65536
        self.demand(pages <= MOST_PAGES * 65536 // unit, "memory size")
        start, whole = self.word(IMAGE_APP_HEAP), pages * unit
        kept = 0 if window else start
        # nothing but a memory that is fixed has room kept in it; nothing but what neither grows nor is imported is
        # not whole pages
        self.demand(not kept or flags & FLAG_MEMORY_FIXED, "app heap")
        least = whole if flags & (FLAG_MEMORY_GROWS | FLAG_MEMORY_IMPORTED | FLAG_MEMORY_WINDOW) else 0
        self.demand(size <= MOST_PAGES * 65536, "memory size")
        self.demand(not flags & FLAG_MEMORY or least <= size - kept <= whole, "memory size")
        slack = self.word(IMAGE_MEMORY_SLACK)
        self.window = 0  # what a thunk's mark says of it
        if window:
            shift = flags >> FLAGS_FAR_SHIFT & 15
            self.demand(
                FAR_LEAST_SHIFT <= shift <= FAR_MOST_SHIFT
                and start + slack <= whole
                and not (start | slack) & (1 << shift) - 1,
                "memory window",
            )
            self.window = signature(platform.view(add(self.base, IMAGE_APP_HEAP), 8), 8) ^ 1 << shift
        else:
            self.demand(
                not slack or (flags & FLAG_MEMORY_FIXED and not slack & 7 and slack <= whole - size), "memory slack"
            )

    def _type_strings(self, types):
        slots = self.word(IMAGE_ARG_SLOTS)
        for i in range(types[1]):
            record = types[0] + i * TYPE_SIZE
            text = string(self.base, self.word(record + TYPE_STRING))
            good = text.count(":") == 1
            for letter in text:
                good = good and letter in "iIfFpx:"
            if not good:
                self.fail("type", i, "string")
            params, thunk, word = text.find(":"), self.word(record + TYPE_THUNK), self.word(record)
            data = text.encode()
            if word != signature(data, len(data)):
                self.fail("type", i, "hash")
            if thunk and max(params, len(text) - params - 1) > slots:
                self.fail("type", i, "argument slots")
            if thunk and not self.marked(thunk, word ^ self.window ^ MARK_THUNK):
                self.fail("type", i, "thunk")

    # Globals, function imports, args area and tables follow each other below the header, as the compiler laid them.
    def _slots(self):
        at = self.header
        record = self.word(IMAGE_GLOBALS)
        for i in range(self.word(IMAGE_GLOBALS + 4)):
            at += 8
            if self.word(record + GLOBAL_SLOT) != at:
                self.fail("global", i, "slot")
            record += GLOBAL_SIZE
        record = self.word(IMAGE_IMPORTS)
        for i in range(self.word(IMAGE_IMPORTS + 4)):
            kind, index, slot = [self.word(record + field) for field in (IMPORT_KIND, IMPORT_INDEX, IMPORT_SLOT)]
            if kind == KIND_FUNCTION:
                at += 8
                wanted = at
            elif kind == KIND_GLOBAL:
                wanted = self.header + 8 * (index + 1)
            elif kind == KIND_TABLE:
                wanted = self.word(self.word(IMAGE_TABLES) + index * TABLE_SIZE + TABLE_SLOT)
            else:
                wanted = slot
            if slot != wanted:
                self.fail("import", i, "slot")
            record += IMPORT_SIZE
        at += 8 * self.word(IMAGE_ARG_SLOTS)
        self.demand(at == self.word(IMAGE_ARGS), "args area")
        self._table_slots(at)

    def _table_slots(self, at):
        record = self.word(IMAGE_TABLES)
        for i in range(self.word(IMAGE_TABLES + 4)):
            at += 8
            entries = self.word(record + TABLE_ENTRIES)
            size = FUNCREF_SIZE if self.word(record + TABLE_TYPE) == 112 else EXTERNREF_SIZE
            if self.word(record + TABLE_SLOT) != at or (
                entries and entries < at + size * self.word(record + TABLE_MIN)
            ):
                self.fail("table", i, "slot")
            at = entries or at
            record += TABLE_SIZE
        self.demand(self.block == (at + 7) & ~7, "instance size")

    def _imports(self, counts):
        imports = self.records(IMAGE_IMPORTS, IMPORT_SIZE, "imports")
        self.field("import", imports, IMPORT_SIZE, IMPORT_KIND, 0, 4, "kind")
        self.strings("import", imports, IMPORT_SIZE, IMPORT_MODULE)
        self.strings("import", imports, IMPORT_SIZE, IMPORT_NAME)
        expected = [0, 0, 0, 0]
        for i in range(imports[1]):
            record = imports[0] + i * IMPORT_SIZE
            kind = self.word(record + IMPORT_KIND)
            index, slot = self.word(record + IMPORT_INDEX), self.word(record + IMPORT_SLOT)
            if index != expected[kind] or index >= counts[kind]:
                self.fail("import", i, "index")
            expected[kind] += 1
            low = self.header + (4 if kind == KIND_GLOBAL else 8)
            if kind != KIND_MEMORY and (slot & 3 or not low <= slot <= self.block):
                self.fail("import", i, "slot")
        self.imported = expected
        self.demand(
            bool(self.word(IMAGE_FLAGS) & FLAG_MEMORY_IMPORTED) == bool(expected[KIND_MEMORY]),
            "memory import",
        )

    def _exports(self, counts):
        exports = self.records(IMAGE_EXPORTS, EXPORT_SIZE, "exports")
        self.field("export", exports, EXPORT_SIZE, EXPORT_KIND, 0, 4, "kind")
        self.strings("export", exports, EXPORT_SIZE, EXPORT_NAME)
        for i in range(exports[1]):
            record = exports[0] + i * EXPORT_SIZE
            kind, index = self.word(record + EXPORT_KIND), self.word(record + EXPORT_INDEX)
            if index >= counts[kind]:
                self.fail("export", i, "index")
            if kind == KIND_FUNCTION:
                if not self.callable(index):
                    self.fail("export", i, "its code or thunk")

    # letter: the type that it must have, as TYPE_STRING has it.
    def _expression(self, what, index, record, letter, globals_):
        kind, low = self.word(record), self.word(record + 4)
        if kind == EXPR_GLOBAL:
            at = self.word(IMAGE_GLOBALS) + low * GLOBAL_SIZE + GLOBAL_TYPE
            good = low < globals_ and self.word(at) & 255 == letter
        elif kind == EXPR_FUNCTION:
            good = letter == _FUNCREF and (low == NONE or (low < self.word(IMAGE_FUNCTIONS + 4) and self.callable(low)))
        elif letter == _FUNCREF:
            good = False
        else:
            good = kind == (EXPR_NULL if letter == _EXTERNREF else EXPR_CONST)
        if not good:
            self.fail(what, index, "expression")

    def _globals(self, count):
        array = self.records(IMAGE_GLOBALS, GLOBAL_SIZE, "globals")
        self.slots("global", array, GLOBAL_SIZE, GLOBAL_SLOT, 4)
        for i in range(count):
            record = array[0] + i * GLOBAL_SIZE
            letter = self.word(record + GLOBAL_TYPE) & ~256
            if letter not in (105, 73, 102, 70, _FUNCREF, _EXTERNREF):
                self.fail("global", i, "type")
            if i >= self.imported[KIND_GLOBAL]:
                if self.word(record + GLOBAL_SLOT) < INSTANCE_HEADER + 8:
                    self.fail("global", i, "slot")
                self._expression("global", i, record + GLOBAL_INIT, letter, i)
        pointer = self.word(IMAGE_STACK_POINTER)
        self.demand(
            pointer == NONE
            or (pointer < count and self.word(array[0] + pointer * GLOBAL_SIZE + GLOBAL_TYPE) == _I32 | 256),
            "aux stack's pointer",
        )

    def _tables(self):
        array = self.records(IMAGE_TABLES, TABLE_SIZE, "tables")
        self.demand(array[1] <= MOST_TABLES, "tables")
        self.slots("table", array, TABLE_SIZE, TABLE_SLOT, 8)
        self.slots("table", array, TABLE_SIZE, TABLE_ENTRIES, 0, True)
        for i in range(array[1]):
            record = array[0] + i * TABLE_SIZE
            letter = self.word(record + TABLE_TYPE)
            if letter not in (_FUNCREF, _EXTERNREF):
                self.fail("table", i, "type")
            entries, low = self.word(record + TABLE_ENTRIES), self.word(record + TABLE_MIN)
            size = FUNCREF_SIZE if letter == _FUNCREF else EXTERNREF_SIZE
            if low > MOST_ENTRIES or (entries and entries < INSTANCE_HEADER + size * low):
                self.fail("table", i, "entries")

    def _data(self, globals_):
        array = self.records(IMAGE_DATA, DATA_SIZE, "data segments")
        self.field("data segment", array, DATA_SIZE, DATA_MODE, 0, SEGMENT_DECLARATIVE, "mode")
        for i in range(array[1]):
            record = array[0] + i * DATA_SIZE
            start, length = self.word(record + DATA_START), self.word(record + DATA_LENGTH)
            if start > self.size or length > self.size or start + length > self.size:
                self.fail("data segment", i, "bytes")
            self._expression("data segment", i, record + DATA_OFFSET, _I32, globals_)

    def _elements(self, tables, globals_):
        array = self.records(IMAGE_ELEMENTS, ELEMENT_SIZE, "element segments")
        self.demand(array[1] <= MOST_ELEMENTS, "element segments")
        self.field("element segment", array, ELEMENT_SIZE, ELEMENT_MODE, 0, SEGMENT_DECLARATIVE + 1, "mode")
        for i in range(array[1]):
            record = array[0] + i * ELEMENT_SIZE
            items, count = self.word(record + ELEMENT_ITEMS), self.word(record + ELEMENT_COUNT)
            letter, table = self.word(record + ELEMENT_TYPE), self.word(record + ELEMENT_TABLE)
            if letter not in (_FUNCREF, _EXTERNREF):
                self.fail("element segment", i, "type")
            if items & 3 or items > self.size or count > self.size or items + 12 * count > self.size:
                self.fail("element segment", i, "items")
            if not self.word(record + ELEMENT_MODE):
                if table >= tables or self.word(self.word(IMAGE_TABLES) + table * TABLE_SIZE + TABLE_TYPE) != letter:
                    self.fail("element segment", i, "table")
                self._expression("element segment", i, record + ELEMENT_OFFSET, _I32, globals_)
            for item in range(items, items + 12 * count, 12):
                self._expression("element segment", i, item, letter, globals_)
