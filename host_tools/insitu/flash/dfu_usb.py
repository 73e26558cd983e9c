"""ST's boot loader at USB: DFU 1.1 with ST's commands (AN3156, "USB DFU protocol used in the STM32 bootloader")."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from insitu.board.record import Region
from insitu.errors import InsituError
from insitu.flash.dfuse import PRODUCT, VENDOR

_DNLOAD, _UPLOAD, _GETSTATUS, _CLRSTATUS, _ABORT = 1, 2, 3, 4, 6
_OUT, _IN = 0x21, 0xA1  # class requests to the interface
_IDLE, _BUSY, _DNLOAD_IDLE, _UPLOAD_IDLE, _ERROR = 2, 4, 5, 9, 10
_SET_ADDRESS, _ERASE = 0x21, 0x41
_FIRST_BLOCK = 2  # the number of what lies at the address that was set; 0 is for commands
_FUNCTIONAL = 0x21  # type of the descriptor with the largest transfer
_TIMEOUT = 5000  # milliseconds of a transfer
_PATIENCE = 30.0  # seconds that a command may take; STM32H7 erases 128 KiB in 4 at most (DS12110, table 54)
# bStatus: DFU 1.1, 6.1.2; ST's meaning of the last: AN3156, 6.2
_STATUS = {3: "errWRITE", 4: "errERASE", 6: "errPROG", 7: "errVERIFY", 8: "errADDRESS"}
_STATUS |= {1: "errTARGET: no such address", 11: "errVENDOR: the flash is protected against reading"}
# "@Internal Flash  /0x08000000/04*016Kg,01*064Kg": how many sectors of which size; g: read, erased and written
_FLASH_NAME = "@Internal Flash"
_SECTORS = re.compile(r"(\d+)\*(\d+) ?([ BKM])([a-g])")
_UNITS = {" ": 1, "B": 1, "K": 1024, "M": 1024 * 1024}
_ALL_RIGHTS = ord("g")


class DfuError(InsituError):
    """The boot loader is not there, or does not do what it is told."""


@contextmanager
def boot_loader() -> Iterator[BootLoader]:
    """The one at USB. Raises DfuError where there is none or more, and for whatever goes wrong at USB inside."""
    try:
        import usb.core
        import usb.util
    except ImportError:
        raise DfuError("pyusb, which reaches boot loaders, is not installed: pip install insitu[dfu]") from None
    try:
        device = _only_one(list(usb.core.find(find_all=True, idVendor=VENDOR, idProduct=PRODUCT)))
        try:
            yield BootLoader(device)
        finally:
            usb.util.dispose_resources(device)
    except usb.core.NoBackendError:
        raise DfuError("libusb, which pyusb needs, is not installed") from None
    except usb.core.USBError as error:
        raise DfuError(f"the boot loader at USB does not answer any more: {error.strerror}") from None


def _only_one(devices: list[Any]) -> Any:
    if len(devices) == 1:
        return devices[0]
    if devices:
        raise DfuError(f"{len(devices)} boards are in their boot loader: leave one plugged in")
    raise DfuError(
        f"no board is in its boot loader (USB {VENDOR:04x}:{PRODUCT:04x}): start it by machine.bootloader() or with "
        "BOOT0 high at reset"
    )


class BootLoader:
    """Attributes: sectors: of its flash, those that it erases and writes."""

    def __init__(self, device: Any) -> None:
        self._device = device
        device.set_configuration()
        name, interface = _flash_interface(device)
        interface.set_altsetting()
        self._number = interface.bInterfaceNumber
        self._transfer = _transfer_size(interface)
        self.sectors = _sectors(name)
        self._idle()

    def erase(self, address: int) -> None:
        """The sector at address."""
        self._command(struct.pack("<BI", _ERASE, address), f"erasing the sector at {address:#010x}")

    def pieces(self, size: int) -> list[range]:
        """What write() takes of so many bytes, one after the other."""
        return [range(at, min(at + self._transfer, size)) for at in range(0, size, self._transfer)]

    def write(self, address: int, piece: bytes) -> None:
        """A piece, into what is erased."""
        self._set_address(address)
        self._send(_FIRST_BLOCK, piece)
        self._done(f"writing {len(piece)} bytes at {address:#010x}")

    def read(self, address: int, size: int) -> bytes:
        """What is there. Raises DfuError where reading is forbidden."""
        found = b""
        for piece in self.pieces(size):
            self._set_address(address + piece.start)
            self._idle()  # out of the state in which only a download is taken
            found += self._upload(len(piece), f"reading {size} bytes at {address:#010x}")
            self._idle()  # and out of that for uploads
        if len(found) != size:
            raise DfuError(f"reading {size} bytes at {address:#010x} gave {len(found)}")
        return found

    def _upload(self, size: int, what: str) -> bytes:
        import usb.core

        try:
            return bytes(self._ask(_UPLOAD, _FIRST_BLOCK, size))
        except usb.core.USBError:  # what it refuses it does not answer; the status, which it always does, says why
            raise _failed(what, *self._status()) from None

    def leave(self, address: int) -> None:
        """Start the firmware whose vectors are at address; the boot loader goes away, and may do so at once."""
        import usb.core

        self._set_address(address)
        self._send(0, b"")
        with suppress(usb.core.USBError):
            self._status()

    def _set_address(self, address: int) -> None:
        self._command(struct.pack("<BI", _SET_ADDRESS, address), f"setting the address {address:#010x}")

    def _command(self, command: bytes, what: str) -> None:
        self._send(0, command)
        self._done(what)

    def _done(self, what: str) -> None:
        """Have what was sent done, and wait for it."""
        end = time.monotonic() + _PATIENCE
        status, wait, state = self._status()
        while state == _BUSY:
            if time.monotonic() > end:
                raise DfuError(f"{what} has not ended in {_PATIENCE:.0f} s")
            time.sleep(wait / 1000)
            status, wait, state = self._status()
        if state != _DNLOAD_IDLE:
            raise _failed(what, status, wait, state)

    def _idle(self) -> None:
        """Whatever was before."""
        _, _, state = self._status()
        if state == _ERROR:
            self._request(_CLRSTATUS)
        elif state in (_DNLOAD_IDLE, _UPLOAD_IDLE):
            self._request(_ABORT)
        _, _, state = self._status()
        if state != _IDLE:
            raise DfuError(f"the boot loader stays in state {state}: reset the board")

    def _status(self) -> tuple[int, int, int]:
        """bStatus, milliseconds to wait before the next request, state."""
        answer = bytes(self._ask(_GETSTATUS, 0, 6))
        return answer[0], int.from_bytes(answer[1:4], "little"), answer[4]

    def _request(self, request: int) -> None:
        self._device.ctrl_transfer(_OUT, request, 0, self._number, None, _TIMEOUT)

    def _send(self, block: int, data: bytes) -> None:
        self._device.ctrl_transfer(_OUT, _DNLOAD, block, self._number, data, _TIMEOUT)

    def _ask(self, request: int, block: int, size: int) -> Any:
        return self._device.ctrl_transfer(_IN, request, block, self._number, size, _TIMEOUT)


def _failed(what: str, status: int, _: int, state: int) -> DfuError:
    return DfuError(f"{what} failed: {_STATUS.get(status, f'status {status} in state {state}')}")


def _flash_interface(device: Any) -> tuple[str, Any]:
    """The name of its flash, which has the layout, and the interface behind that."""
    import usb.util

    for interface in device.get_active_configuration():
        name = usb.util.get_string(device, interface.iInterface) or ""
        if name.startswith(_FLASH_NAME):
            return name, interface
    raise DfuError("the boot loader at USB names no internal flash: it is not ST's")


def _transfer_size(interface: Any) -> int:
    descriptor = bytes(interface.extra_descriptors)
    if len(descriptor) < 7 or descriptor[1] != _FUNCTIONAL:
        raise DfuError("the boot loader at USB has no DFU functional descriptor")
    return int.from_bytes(descriptor[5:7], "little")


def _sectors(name: str) -> list[Region]:
    """Those of a name that can be read, erased and written."""
    parts, found = name.split("/")[1:], []
    for start, groups in zip(parts[::2], parts[1::2], strict=False):
        address = int(start, 16)
        for count, size, unit, rights in _SECTORS.findall(groups):
            for _ in range(int(count)):
                sector = Region(address, int(size) * _UNITS[unit])
                address = sector.end
                if ord(rights) == _ALL_RIGHTS:
                    found.append(sector)
    return found
