"""What the loader refuses, and with which words."""

import random
import struct
import zlib

import pytest
from insitu.port.xip import layout

TEXT = """(module
  (import "env" "f" (func $f (param i32)))
  (memory (export "memory") 1) (data (i32.const 8) "abc") (data "passive")
  (global (export "g") (mut i32) (i32.const 5)) (global i32 (i32.const 6))
  (table 3 funcref) (elem (i32.const 0) $f $g)
  (func $g (export "g2") (param i32) (result i64) (call $f (local.get 0)) (i64.const 1)))"""


def changed(data, offset, word, *, seal=True):
    """The image with a word set, and a CRC that is right again."""
    data = bytearray(data)
    struct.pack_into("<I", data, offset, word & 0xFFFFFFFF)
    if seal:
        struct.pack_into("<I", data, layout.IMAGE_CRC, zlib.crc32(data[layout.IMAGE_CRC + 4 :]))
    return bytes(data)


def word(data, offset):
    return struct.unpack_from("<I", data, offset)[0]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        (layout.IMAGE_MAGIC, 0, "does not begin with INSX; was it flashed"),
        (layout.IMAGE_VERSION, 9, f"format version 9, this runtime reads {layout.FORMAT_VERSION}"),
        (layout.IMAGE_ARCH, 77, "for architecture 77, this device runs images for"),
        (layout.IMAGE_FEATURES, 0x100, "CPU features 0x100"),
        (layout.IMAGE_SIZE, 1 << 30, "size is damaged: flash it again"),
        (layout.IMAGE_CODE_OFFSET, 0x40000000, "place of the code"),
        (layout.IMAGE_ENTER, 0, "place of the stub"),
        (layout.IMAGE_TYPES, 0x7FFFFFF0, "types"),
        (layout.IMAGE_EXPORTS + 4, 0xFFFFFFF, "exports"),
        (layout.IMAGE_INSTANCE_SIZE, 12, "instance size"),
        (layout.IMAGE_ARGS, 8, "args area"),
        (layout.IMAGE_START_FUNCTION, 99, "start function"),
        (layout.IMAGE_STACK_POINTER, 2, "aux stack's pointer"),  # of two globals
        (layout.IMAGE_STACK_POINTER, 1, "aux stack's pointer"),  # it cannot move
    ],
)
def test_header(device, field, value, text):
    with pytest.raises(device.port.LoadError, match=text):
        device.load_image(changed(device.image(TEXT), field, value))
    assert device.runtime.modules == []


@pytest.mark.parametrize("kind", ["i32 (i32.const 1024)", "(mut i64) (i64.const 1024)"])
def test_what_cannot_be_a_stack_pointer_is_none(device, kind):
    marks = '(memory 1) (global (export "__heap_base") i32 (i32.const 2048))'
    data = device.image(f'(module {marks} (global (export "__stack_pointer") {kind}))')
    assert word(data, layout.IMAGE_STACK_POINTER) == layout.NONE
    device.load_image(data)


def test_not_an_image(device):
    with pytest.raises(device.port.LoadError, match="not an image: 3 bytes"):
        device.load_image(b"abc")


def test_truncated(device):
    data = device.image(TEXT)
    with pytest.raises(device.port.LoadError, match=f"says that it has {len(data)} bytes, there are {len(data) - 4}"):
        device.load_image(data[:-4])


def test_every_flipped_bit_is_seen(device):
    data, some = device.image(TEXT), random.Random(1)
    for _ in range(40):
        flipped = bytearray(data)
        flipped[some.randrange(layout.IMAGE_CRC, len(data))] ^= 1 << some.randrange(8)
        with pytest.raises(device.port.LoadError, match="damaged"):
            device.load_image(bytes(flipped))


@pytest.mark.parametrize(
    ("part", "record", "field"),
    [
        (layout.IMAGE_TYPES, layout.TYPE_SIZE, layout.TYPE_STRING),
        (layout.IMAGE_TYPES, layout.TYPE_SIZE, layout.TYPE_THUNK),
        (layout.IMAGE_FUNCTIONS, layout.FUNCTION_SIZE, layout.FUNCTION_CODE),
        (layout.IMAGE_FUNCTIONS, layout.FUNCTION_SIZE, layout.FUNCTION_TYPE),
        (layout.IMAGE_IMPORTS, layout.IMPORT_SIZE, layout.IMPORT_KIND),
        (layout.IMAGE_IMPORTS, layout.IMPORT_SIZE, layout.IMPORT_NAME),
        (layout.IMAGE_IMPORTS, layout.IMPORT_SIZE, layout.IMPORT_INDEX),
        (layout.IMAGE_IMPORTS, layout.IMPORT_SIZE, layout.IMPORT_SLOT),
        (layout.IMAGE_EXPORTS, layout.EXPORT_SIZE, layout.EXPORT_NAME),
        (layout.IMAGE_EXPORTS, layout.EXPORT_SIZE, layout.EXPORT_KIND),
        (layout.IMAGE_EXPORTS, layout.EXPORT_SIZE, layout.EXPORT_INDEX),
        (layout.IMAGE_GLOBALS, layout.GLOBAL_SIZE, layout.GLOBAL_TYPE),
        (layout.IMAGE_GLOBALS, layout.GLOBAL_SIZE, layout.GLOBAL_SLOT),
        (layout.IMAGE_GLOBALS, layout.GLOBAL_SIZE, layout.GLOBAL_INIT),
        (layout.IMAGE_TABLES, layout.TABLE_SIZE, layout.TABLE_TYPE),
        (layout.IMAGE_TABLES, layout.TABLE_SIZE, layout.TABLE_MIN),
        (layout.IMAGE_TABLES, layout.TABLE_SIZE, layout.TABLE_SLOT),
        (layout.IMAGE_TABLES, layout.TABLE_SIZE, layout.TABLE_ENTRIES),
        (layout.IMAGE_DATA, layout.DATA_SIZE, layout.DATA_MODE),
        (layout.IMAGE_DATA, layout.DATA_SIZE, layout.DATA_START),
        (layout.IMAGE_DATA, layout.DATA_SIZE, layout.DATA_LENGTH),
        (layout.IMAGE_ELEMENTS, layout.ELEMENT_SIZE, layout.ELEMENT_MODE),
        (layout.IMAGE_ELEMENTS, layout.ELEMENT_SIZE, layout.ELEMENT_TABLE),
        (layout.IMAGE_ELEMENTS, layout.ELEMENT_SIZE, layout.ELEMENT_ITEMS),
        (layout.IMAGE_ELEMENTS, layout.ELEMENT_SIZE, layout.ELEMENT_COUNT),
        (layout.IMAGE_NAMES, 4, 0),
    ],
)
def test_records(device, part, record, field):
    data = device.image(TEXT)
    last = word(data, part) + (word(data, part + 4) - 1) * record + field
    for value in (0x7FFFFFF1, 0xFFFFFFF8, len(data) + 4):
        with pytest.raises(device.port.LoadError, match="malformed"):
            device.load_image(changed(data, last, value))


def test_bytes_and_address(device):
    from insitu.port import platform

    data = device.image(TEXT)
    at = platform.address_of(device.put(data))
    module = device.runtime.load(at)
    assert (module.base, module.size) == (at, len(data))
    module.unload()
    assert device.runtime.modules == []


def test_path(device, tmp_path):
    path = tmp_path / "app.xip"
    path.write_bytes(device.image(TEXT))
    with pytest.raises(device.port.LoadError, match="put it in a ROM partition"):
        device.runtime.load(str(path))


def _function_of(letters):
    names = {"i": "i32", "I": "i64", "f": "f32", "F": "f64"}
    return f'(module (func (export "f") (param {" ".join(names[x] for x in letters)})))'


def test_two_types_of_one_word_in_two_modules(device):
    """The FNV-1a of both strings is 0x2088fff4: found by trying."""
    device.load(_function_of("IFfiFFFiiFfiIi"))
    device.load(_function_of("IFfiFFFiiFfiIi"))
    with pytest.raises(device.port.LoadError, match="of two modules have the same signature word"):
        device.load(_function_of("iIfiiiiFFifIFi"))
