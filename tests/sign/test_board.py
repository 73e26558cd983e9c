"""A signed image on stock firmware in QEMU: hashlib, the pinned verifier in flash, the package as deployed."""

from __future__ import annotations

from pathlib import Path

import pytest
from insitu.board.boards import load_board
from insitu.flash.store import FileFlash
from insitu.link.runner import DeviceError
from insitu.machine import emulated
from insitu.machine.flash_file import FlashFile
from insitu.package import controller
from insitu.package.deploy import METHODS
from insitu.port.update import trust
from insitu.port.update.images import Images
from insitu.sign import keys, verifier
from insitu.sign.signature import sign

from tests.sign.damage import returns

pytestmark = [pytest.mark.qemu]

BOARD = load_board("qemu_mps2_an385")
_PROGRAM = """
import insitu
from insitu.trust import Trusted
def result(name, trusted):
    rt = insitu.Runtime(heap=bytearray(4096), trusted=trusted)
    try:
        return rt.load(name).instantiate(stack_size=512).exports.f()
    finally:
        rt.destroy()
"""


def _flash(folder: Path, images: dict[str, bytes]) -> bytes:
    """The place for images with these in it."""
    file = FlashFile(folder / "flash.bin", BOARD.image)
    store = Images(FileFlash(file, controller.place(BOARD)))
    for name, data in images.items():
        writer = store.begin(name, len(data))
        writer.write(data)
        writer.end()
    return file.read(BOARD.image.address, 0x10000)


def test_is_loaded_and_one_that_is_not_signed_is_not(tmp_path: Path) -> None:
    public, key = keys.make(tmp_path / "key"), tmp_path / "key"
    signed = sign(returns(7), key, "app", 3)
    found = _flash(
        tmp_path,
        {trust.VERIFIER_NAME: verifier.image(BOARD.target), "app": signed, "bare": returns(1), "moved": signed},
    )
    method = METHODS["romfs"]
    machine = emulated(BOARD, [*method.contents(BOARD), (BOARD.image.address, found)])
    with machine, machine.link() as link:
        method.install(link, BOARD)
        link.run(_PROGRAM)
        assert link.run(f"print(result('app', [{public}]))").strip() == b"7"
        assert link.run(f"print(result('app', Trusted([{public}], {{'app': 3}})))").strip() == b"7"
        for name, trusted, why in (
            ("app", f"Trusted([{public}], {{'app': 4}})", "version 3, and the least that is trusted is 4"),
            ("app", f"[{bytes(32)}]", "signed by a key that this runtime does not trust"),
            ("bare", f"[{public}]", "the image is not signed"),
            ("moved", f"[{public}]", "signed as b'app', not as moved"),
        ):
            with pytest.raises(DeviceError, match=why):
                link.run(f"result({name!r}, {trusted})")
        assert link.run("print(result('bare', None))").strip() == b"1"
