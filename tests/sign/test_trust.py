"""Which images a runtime takes that has keys, on the simulated CPU; and the verbs for it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from insitu import sim
from insitu.errors import InsituError
from insitu.port import Runtime
from insitu.port.alive import latest
from insitu.port.errors import LoadError
from insitu.port.update import flash as simulated_flash
from insitu.port.update import trust
from insitu.sign import keys, verifier
from insitu.sign.signature import sign

from tests.flash.store import BASE, Flash, restart
from tests.sign import damage
from tests.sign.damage import TARGET, returns


class Board:
    """A simulated CPU with named images in its flash; key: of those that sign."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.key = folder / "release.pem"
        self.public = keys.make(self.key)
        self.flash = Flash(8, 8192, 32)
        self._patch = patch
        self.add(verifier.image(TARGET), trust.VERIFIER_NAME)
        patch.setattr(trust, "VERIFIER", verifier.digest(TARGET))

    def add(self, data: bytes, name: str) -> int:
        writer = restart(self.flash).begin(name, len(data))
        writer.write(data)
        writer.end()
        return int(writer.address)

    def start(self) -> None:
        """From now on it is this process's machine."""
        sim.install(sim.Cpu(TARGET)).map_flash(BASE, bytes(self.flash.data))
        restart(self.flash)
        self._patch.setattr(simulated_flash, "PLACE", self.flash.PLACE)

    def load(self, source: str | int, trusted: object) -> int:
        """What its function returns."""
        runtime = Runtime(heap=bytearray(4096), trusted=trusted)
        return int(runtime.load(source).instantiate(stack_size=512).exports.f())


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    return Board(tmp_path, monkeypatch)


def test_what_a_trusted_key_has_signed_is_loaded(board: Board) -> None:
    address = board.add(sign(returns(7), board.key, "app", 1), "app")
    board.start()
    assert board.load("app", [bytes(32), board.public]) == 7
    assert board.load(address, [board.public]) == 7
    assert latest[0] is not None and latest[0].trusted == [board.public]


def test_all_else_is_not(board: Board, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    keys.make(other)
    board.add(returns(1), "bare")
    board.add(sign(returns(2), other, "strange", 1), "strange")
    board.add(sign(returns(3), board.key, "app", 1), "renamed")
    data = bytearray(sign(returns(4), board.key, "forged", 1))
    data[-1] ^= 1
    board.add(bytes(data), "forged")
    board.start()
    for name, why in (
        ("bare", "the image is not signed"),
        ("strange", "by a key that this runtime does not trust"),
        ("renamed", "signed as b'app', not as renamed"),
        ("forged", "the signature is not of this image"),
    ):
        with pytest.raises(LoadError, match=why):
            board.load(name, [board.public])
    assert board.load("bare", None) == 1  # whoever has no keys trusts it
    with pytest.raises(LoadError, match="does not trust"):
        board.load("strange", [])


def test_an_old_version_may_be_refused(board: Board) -> None:
    board.add(sign(returns(1), board.key, "app", 4), "app")
    board.start()
    assert board.load("app", trust.Trusted([board.public], {"app": 4, "net": 9})) == 1
    with pytest.raises(LoadError, match="version 4, and the least that is trusted is 5"):
        board.load("app", trust.Trusted([board.public], {"app": 5}))


def test_the_one_before_is_taken_where_the_newest_is_not_signed(board: Board) -> None:
    board.add(sign(returns(1), board.key, "app", 1), "app")
    board.add(returns(2), "app")
    board.start()
    assert board.load("app", [board.public]) == 1


def test_another_verifier_is_not_asked(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    board.add(sign(returns(1), board.key, "app", 1), "app")
    board.start()
    monkeypatch.setattr(trust, "VERIFIER", bytes(32))
    with pytest.raises(LoadError, match="what verifies signatures is not in flash, or another"):
        board.load("app", [board.public])


def test_nothing_behind_a_buffer_is_read(board: Board) -> None:
    data = returns(1)
    board.start()
    with pytest.raises(LoadError, match="the image is not signed"):
        trust.check(Runtime(heap=bytearray(4096), trusted=[board.public]), BASE, len(data), len(data), None)


def test_damaged_images_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m tests.sign.damage` has more of them."""
    damage.under_wasmtime(monkeypatch)
    assert damage.sweep(range(300)) > 250


@pytest.mark.parametrize("kind", damage.DAMAGES)
def test_the_damages_are_some(kind: object) -> None:
    made = damage.make()
    found = {damage.DAMAGES[damage.DAMAGES.index(kind)](random.Random(i), *made.images[:2]) for i in range(20)}  # type: ignore[arg-type]
    assert len(found - {*made.images}) > 10


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys.make(path)
    before = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(InsituError, match="a key is never written over another file"):
        keys.make(path)
    assert path.read_bytes() == before


def test_what_is_no_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("no key")
    with pytest.raises(InsituError, match="is no private key without a password"):
        keys.load(path)
    with pytest.raises(InsituError, match="No such file"):
        keys.load(tmp_path / "none")
