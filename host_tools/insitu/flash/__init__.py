"""Writing into a board's flash, a row a way.

To add one: a file here with write(target, address, data, progress), and a row in WRITERS; a board file lists it in
[flash] writers.
"""

from __future__ import annotations

from collections.abc import Mapping

from insitu.flash.device import DEVICE
from insitu.flash.dfu import DFU
from insitu.flash.esptool import ESPTOOL
from insitu.flash.romfs import ROMFS
from insitu.flash.uf2 import UF2
from insitu.flash.writer import Writer

WRITERS: Mapping[str, Writer] = {"device": DEVICE, "dfu": DFU, "esptool": ESPTOOL, "romfs": ROMFS, "uf2": UF2}
