"""The partition table, as Espressif's own generator makes and reads it (esp-idf-defs has its code)."""

from __future__ import annotations

import hashlib

import pytest
from esp_idf_defs.partitions import PartitionTable
from insitu.errors import InsituError
from insitu.flash import esp_partitions

from tests.flash.esp32_flash import STOCK, table

# ports/esp32/partitions-8MiB.csv and partitions-4MiB-ota.csv of MicroPython
OTHERS = {
    "8 MiB": "nvs,data,nvs,0x9000,0x6000\nphy_init,data,phy,0xf000,0x1000\nfactory,app,factory,0x10000,0x1F0000\n"
    "vfs,data,fat,0x200000,0x600000",
    "two firmwares": "nvs,data,nvs,0x9000,0x4000\notadata,data,ota,0xd000,0x2000\nphy_init,data,phy,0xf000,0x1000\n"
    "ota_0,app,ota_0,0x10000,0x180000\nota_1,app,ota_1,0x190000,0x180000\nvfs,data,fat,0x310000,0x0F0000",
    "encrypted": STOCK.replace("0x200000, 0x200000,", "0x200000, 0x200000, encrypted"),
    "stock": STOCK,
}


@pytest.mark.parametrize("name", OTHERS)
def test_read_and_written_as_espressif_does(name: str) -> None:
    data = table(OTHERS[name])
    rows = esp_partitions.parse(data)
    theirs = PartitionTable.from_csv(OTHERS[name])
    assert [(row.label, row.type, row.subtype, row.offset, row.size, row.flags & 1) for row in rows] == [
        (row.name, row.type, row.subtype, row.offset, row.size, int(row.encrypted)) for row in theirs
    ]
    assert esp_partitions.encode(rows) == data.ljust(0xC00, b"\xff")


@pytest.mark.parametrize("name", ("8 MiB", "stock"))
def test_images_take_the_end_of_the_file_system(name: str) -> None:
    rows = esp_partitions.parse(table(OTHERS[name]))
    made = esp_partitions.with_images(rows, 0x100000)
    theirs = PartitionTable.from_binary(esp_partitions.encode(made))
    theirs.verify(0x8000)
    files, images = theirs.find_by_name("vfs"), theirs.find_by_name("insitu")
    assert files.offset == 0x200000 and images.offset == files.offset + files.size
    assert images.offset + images.size == max(row.end for row in rows) and images.size == 0x100000
    assert esp_partitions.without_images(made) == rows


_ROW = table(STOCK)[:32]
_DAMAGED = {
    "erased": (b"\xff" * 0xC00, "there is no partition table at 0x8000"),
    "something else": (b"\xe9" + bytes(0xBFF), "is damaged: row 0 is none"),
    "a row": (table(STOCK)[:33] + b"\0" + table(STOCK)[34:], "is damaged: row 1 is none"),
    "a byte": (table(STOCK).replace(b"vfs", b"vfx"), "is damaged: its MD5 sum is another"),
    "one place twice": (_ROW + _ROW.replace(b"nvs", b"svn") + b"\xff" * 32, "svn at 0x9000 overlaps what ends at 0xf"),
    "over the table": (
        (rows := _ROW.replace(b"\0\x90\0\0", b"\0\x80\0\0")) + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(rows).digest(),
        "nvs at 0x8000 overlaps what ends at 0x9000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _DAMAGED)
def test_what_is_damaged_is_named(name: str) -> None:
    data, says = _DAMAGED[name]
    with pytest.raises(InsituError, match=says):
        esp_partitions.parse(data)


def test_what_cannot_be_divided_is_named() -> None:
    stock = esp_partitions.parse(table(STOCK))
    made = esp_partitions.with_images(stock, 0x100000)
    with pytest.raises(InsituError, match="there is a partition insitu already"):
        esp_partitions.with_images(made, 0x100000)
    with pytest.raises(InsituError, match="0x200000 bytes at 0x200000.* cannot give up 0x200000 at its end"):
        esp_partitions.with_images(stock, 0x200000)
    with pytest.raises(InsituError, match="cannot give up 0x100000 at its end"):  # not at a page of the flash MMU
        esp_partitions.with_images(esp_partitions.parse(table(STOCK.replace("0x200000,\n", "0x1FF000,\n"))), 0x100000)
    with pytest.raises(InsituError, match="there is no partition insitu behind vfs"):
        esp_partitions.without_images(stock)
    with pytest.raises(InsituError, match="there is no partition vfs"):
        esp_partitions.with_images([row for row in stock if row.label != "vfs"], 0x100000)
