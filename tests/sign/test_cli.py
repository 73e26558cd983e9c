"""`insitu flash --name`, `images`, `keygen`, `sign`, on the file that an emulated board starts with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from insitu import places

from tests.cli.conftest import Command, refused
from tests.sign.damage import returns

_BOARD = ("-b", "qemu_mps2_an385")


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for the board, whose flash is empty."""
    monkeypatch.setattr(places, "flash_file", lambda board: tmp_path / f"{board.name}.bin")
    path = tmp_path / "app.xip"
    path.write_bytes(returns(1))
    return path


def _images(insitu: Command, *words: object) -> list[tuple[str, int, str]]:
    found = insitu("images", *_BOARD, "--json", *words).json
    return [(row["name"], row["version"], row["state"]) for row in found]


def test_images_by_name(insitu: Command, image: Path) -> None:
    assert insitu("flash", image, *_BOARD, "--name", "app").status == 0
    done = insitu("flash", image, *_BOARD, "--name", "app", "--version", 7, "--starts", 2, "--json").json
    assert (done["name"], done["version"], done["size"]) == ("app", 7, image.stat().st_size)
    assert insitu("flash", image, *_BOARD, "--name", "net").status == 0
    assert sorted(_images(insitu)) == [
        ("app", 1, "previous"),
        ("app", 7, "on trial, 2 starts left"),
        ("net", 1, "current"),
    ]
    assert "app version 7" in insitu("images", *_BOARD).out
    assert _images(insitu, "--remove", "app", "--version", 7)[-1] == ("app", 1, "current")
    assert _images(insitu, "--remove", "app") == [("net", 1, "current")]
    refused(insitu("images", *_BOARD, "--remove", "app"), "there is no image app")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--version", "1"), "--version, --starts and --sign go with --name"),
        (("--name", "app", "--to", "x.bin"), "--name goes without --to and --writer"),
    ],
)
def test_options_that_do_not_go_together(insitu: Command, image: Path, words: tuple[str, ...], why: str) -> None:
    done = insitu("flash", image, *_BOARD, *words)
    assert done.status == 2
    assert why in done.err


def test_an_image_for_another_board_is_refused(insitu: Command, image: Path) -> None:
    refused(insitu("flash", image, "-b", "qemu_rv32", "--name", "app"), "the image is for Cortex-M")


def test_signed(insitu: Command, image: Path, tmp_path: Path) -> None:
    key, signed = tmp_path / "release.pem", tmp_path / "signed.xip"
    public = bytes.fromhex(insitu("keygen", key, "--json").json["public"])
    refused(insitu("keygen", key), "a key is never written over another file")
    done = insitu("sign", image, "--key", key, "--name", "app", "--version", 8, "-o", signed, "--json").json
    data = signed.read_bytes()
    assert done["size"] == len(data) == image.stat().st_size + 148  # docs/SECURITY.md: 84 and 64
    assert data[:-148] == image.read_bytes()
    digest = hashlib.sha256(data[:-148]).digest()
    text = b"insitu image 1\0" + bytes([8, 0, 0, 0, 3]) + b"app" + digest  # docs/SECURITY.md
    Ed25519PublicKey.from_public_bytes(public).verify(data[-64:], text)
    refused(insitu("sign", signed, "--key", image, "-o", tmp_path / "x"), "is no private key without a password")
    refused(insitu("sign", key, "--key", key, "-o", tmp_path / "x"), "not an insitu image")
    for version in (1, 2):
        assert insitu("flash", image, *_BOARD, "--name", "app", "--sign", key, "--json").json["version"] == version
    names = [name for name, _, _ in _images(insitu)]
    assert sorted(names) == ["app", "app", "insitu.verify"]  # written once
