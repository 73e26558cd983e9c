"""An STM32 in its boot loader, as a backend of pyusb: the states of DFU 1.1 (A.2) with ST's commands (AN3156).

What the states do not allow stalls, as on a device. Flash is erased to ones, and programming clears bits.
"""

from __future__ import annotations

import array
import struct
from types import SimpleNamespace
from typing import Any

import usb.core
from usb.backend import IBackend

FLASH = 0x08000000
_TRANSFER = 2048
_DNLOAD, _UPLOAD, _GETSTATUS, _CLRSTATUS, _GETSTATE, _ABORT = 1, 2, 3, 4, 5, 6
IDLE, SYNC, BUSY, DNLOAD_IDLE, MANIFEST_SYNC, MANIFEST, UPLOAD_IDLE, ERROR = 2, 3, 4, 5, 6, 7, 9, 10
_ERR_TARGET, _ERR_ERASE, _ERR_PROG, _ERR_VENDOR = 1, 4, 6, 11
_NAMES = {1: "STMicroelectronics", 2: "STM32  BOOTLOADER", 3: "3062344A3137"}
_FLASH_NAME, _OPTIONS_NAME = 4, 5


class Stm32(IBackend):  # type: ignore[misc]
    """Attributes:
    flash: all of it, from FLASH on; erased: addresses of sectors that were erased, in order.
    polls: how often a command is busy; left: whether the firmware was started.
    protected: against reading; worn: a bit of this offset stays 0; unplugged_after: so many transfers.
    """

    def __init__(self, layout: str, sectors: list[int], devices: int = 1) -> None:
        """layout: its name of the flash without the address; sectors: their sizes."""
        self.names = {**_NAMES, _FLASH_NAME: f"@Internal Flash  /0x08000000/{layout}"}
        self.names[_OPTIONS_NAME] = "@Option Bytes  /0x1FFFC000/01*016 e"
        self._sizes, self._devices = sectors, devices
        self.flash = bytearray(b"\xff" * sum(sectors))
        self.erased: list[int] = []
        self.polls, self.left, self.protected = 1, False, False
        self.worn: int | None = None
        self.unplugged_after: int | None = None
        self._state, self._status, self._pointer = IDLE, 0, FLASH
        self._pending: tuple[int, bytes] = (0, b"")
        self._busy = 0

    # --- descriptors ---

    def enumerate_devices(self) -> list[int]:
        return list(range(self._devices))

    def get_device_descriptor(self, device: int) -> SimpleNamespace:
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x100, bDeviceClass=0, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=64, idVendor=0x0483, idProduct=0xDF11, bcdDevice=0x2200, iManufacturer=1, iProduct=2,
            iSerialNumber=3, bNumConfigurations=1, address=device + 1, bus=1, port_number=1, port_numbers=(1,), speed=2,
        )  # fmt: skip

    def get_configuration_descriptor(self, _: int, number: int) -> SimpleNamespace:
        if number:
            raise IndexError(number)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=36, bNumInterfaces=1, bConfigurationValue=1, iConfiguration=0,
            bmAttributes=0xC0, bMaxPower=50, extra_descriptors=[],
        )  # fmt: skip

    def get_interface_descriptor(self, _: int, interface: int, alternate: int, number: int) -> SimpleNamespace:
        if number or interface or alternate > 1:
            raise IndexError(alternate)
        functional = struct.pack("<BBBHHH", 9, 0x21, 0x0B, 255, _TRANSFER, 0x011A)
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=0, bAlternateSetting=alternate, bNumEndpoints=0,
            bInterfaceClass=0xFE, bInterfaceSubClass=1, bInterfaceProtocol=2, iInterface=_FLASH_NAME + alternate,
            extra_descriptors=array.array("B", functional),
        )  # fmt: skip

    def get_endpoint_descriptor(self, *_: Any) -> Any:
        raise IndexError

    def open_device(self, device: int) -> int:
        return device

    def close_device(self, _: int) -> None:
        """Nothing is kept."""

    def set_configuration(self, _: int, __: int) -> None:
        """There is one."""

    def get_configuration(self, _: int) -> int:
        return 1

    def set_interface_altsetting(self, _: int, __: int, alternate: int) -> None:
        if alternate:
            raise NotImplementedError("option bytes")

    def claim_interface(self, _: int, __: int) -> None:
        """Nobody else wants it."""

    def release_interface(self, _: int, __: int) -> None:
        """Nobody else wants it."""

    def is_kernel_driver_active(self, _: int, __: int) -> bool:
        return False

    # --- transfers ---

    def ctrl_transfer(self, _: int, kind: int, request: int, value: int, __: int, data: Any, ___: int) -> int:
        if self.left:
            raise _gone()
        if kind & 0x60 == 0:
            return self._string(value & 0xFF, data)
        if self.unplugged_after is not None:
            self.unplugged_after -= 1
            if self.unplugged_after < 0:
                raise _gone()
        answers = {_UPLOAD: self._upload, _GETSTATUS: self._get_status, _GETSTATE: lambda *_: bytes([self._state])}
        if request in answers:
            answer = answers[request](value, len(data))
            data[: len(answer)] = array.array("B", answer)
            return len(answer)
        {_DNLOAD: self._download, _CLRSTATUS: self._clear, _ABORT: self._abort}[request](value, bytes(data))
        return len(data)

    def _string(self, number: int, data: Any) -> int:
        text = self.names[number].encode("utf-16le") if number else b"\x09\x04"
        answer = bytes([len(text) + 2, 3]) + text
        size = min(len(answer), len(data))
        data[:size] = array.array("B", answer[:size])
        return size

    def _stall(self) -> usb.core.USBError:
        self._state = ERROR
        return usb.core.USBError("Pipe error", errno=32)

    def _download(self, block: int, data: bytes) -> None:
        if self._state not in (IDLE, DNLOAD_IDLE) or len(data) > _TRANSFER:
            raise self._stall()
        self._pending = block, data
        self._state = SYNC if data else MANIFEST_SYNC

    def _upload(self, block: int, size: int) -> bytes:
        if self._state not in (IDLE, UPLOAD_IDLE) or block < 2:
            raise self._stall()
        if self.protected:
            self._status = _ERR_VENDOR
            raise self._stall()
        self._state = UPLOAD_IDLE
        start = self._pointer - FLASH + (block - 2) * _TRANSFER
        return bytes(self.flash[start : start + size])

    def _clear(self, _: int, __: bytes) -> None:
        if self._state != ERROR:
            raise self._stall()
        self._state, self._status = IDLE, 0

    def _abort(self, _: int, __: bytes) -> None:
        if self._state not in (IDLE, DNLOAD_IDLE, UPLOAD_IDLE):
            raise self._stall()
        self._state = IDLE

    def _get_status(self, _: int, __: int) -> bytes:
        if self._state == SYNC:
            self._state, self._busy = BUSY, self.polls
        if self._state == BUSY:
            if self._busy:
                self._busy -= 1
            else:
                self._status = self._execute(*self._pending)
                self._state = ERROR if self._status else DNLOAD_IDLE
        elif self._state == MANIFEST_SYNC:
            self._state, self.left = MANIFEST, True
        return bytes([self._status, 1, 0, 0, self._state, 0])

    # --- flash ---

    def _execute(self, block: int, data: bytes) -> int:
        if block:
            return self._program(self._pointer - FLASH + (block - 2) * _TRANSFER, data)
        command, address = data[0], int.from_bytes(data[1:5], "little")
        if command == 0x21 and FLASH <= address < FLASH + len(self.flash):
            self._pointer = address
            return 0
        if command == 0x41 and len(data) == 5:
            return _ERR_VENDOR if self.protected else self._erase(address)
        return _ERR_TARGET

    def _erase(self, address: int) -> int:
        start = 0
        for size in self._sizes:
            if start <= address - FLASH < start + size:
                self.erased.append(FLASH + start)
                self.flash[start : start + size] = b"\xff" * size
                return 0
            start += size
        return _ERR_ERASE

    def _program(self, start: int, data: bytes) -> int:
        if self.protected:
            return _ERR_VENDOR
        if start < 0 or start + len(data) > len(self.flash):
            return _ERR_PROG
        for i, byte in enumerate(data):
            self.flash[start + i] &= byte
        if self.worn is not None:
            self.flash[self.worn] &= 0xFE
        return 0


def _gone() -> usb.core.USBError:
    return usb.core.USBError("No such device (it may have been disconnected)", errno=19)
