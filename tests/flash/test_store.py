"""Images in flash by name and version, on a model of flash; tests/flash/store.py cuts its power."""

from __future__ import annotations

import random
import struct
import zlib
from types import SimpleNamespace

import pytest
import wasmtime
from insitu.aot import compile_wasm
from insitu.board.boards import load_board
from insitu.errors import InsituError
from insitu.flash import store as on_host
from insitu.link.runner import DeviceError
from insitu.machine.simulated import Simulated
from insitu.package import controller
from insitu.port.update import flash as simulated_flash
from insitu.port.update.images import Images
from insitu.port.xip import layout

from tests.flash import store
from tests.flash.store import BASE, GEOMETRIES, Flash, Runtime, Sequence, image, restart, sequence

_SIZES = {256: 1000, 1024: 2000, 4096: 3000, 131072: 1500}  # bytes of an image, by those of a block: some cuts each
_SEED = random.Random(0)


@pytest.mark.parametrize("seed", range(len(GEOMETRIES)))
def test_no_power_cut_loses_anything(seed: int) -> None:
    """`python -m tests.flash.store` makes more of them."""
    assert sequence(seed, 5, _SIZES[GEOMETRIES[seed][1]]).cuts > 50


def _add(images: Images, name: str, data: bytes, starts: int = 0) -> int:
    writer = images.begin(name, len(data), None, starts)
    writer.write(data)
    writer.end()
    return int(writer.address)


def _states(images: Images) -> list[tuple[str, int, str]]:
    return [(name, version, state) for name, version, _, _, state in images.rows()]


def test_the_previous_one_is_kept() -> None:
    images = restart(Flash(16, 4096, 32))
    for _ in range(4):
        _add(images, "app", image(_SEED, 5000))
    assert _states(images) == [("app", 4, "current"), ("app", 3, "previous")]
    images.remove("app", 4)
    assert _states(images) == [("app", 3, "current")]
    images.remove("app")
    assert _states(images) == []
    with pytest.raises(OSError, match="there is no image app"):
        images.remove("app")


def test_a_trial_ends_with_the_one_before_unless_it_is_confirmed() -> None:
    flash = Flash(16, 4096, 32)
    good = _add(restart(flash), "app", image(_SEED, 500))
    tried = _add(restart(flash), "app", image(_SEED, 500), starts=2)
    loaded = []
    for _ in range(3):
        images = restart(flash)
        loaded.append(images.load(Runtime(), "app").base)
        assert images.load(Runtime(), "app").base == loaded[-1]  # of one start
    assert loaded == [tried, tried, good]
    assert _states(images) == [("app", 1, "current"), ("app", 2, "failed")]
    other = _add(images, "app", image(_SEED, 500), starts=1)
    with pytest.raises(OSError, match="net was not loaded since the last reset"):
        images.confirm("net")
    assert restart(flash).load(Runtime(), "app").base == other
    Images(flash).confirm("app")
    assert _states(restart(flash)) == [("app", 3, "current"), ("app", 1, "previous")]


def test_a_trial_without_one_before_goes_on() -> None:
    """There is nothing to go back to."""
    flash = Flash(16, 4096, 32)
    only = _add(restart(flash), "app", image(_SEED, 500), starts=1)
    for _ in range(3):
        assert restart(flash).load(Runtime(), "app").base == only


def test_what_is_in_use_stays_until_it_is_unloaded() -> None:
    flash = Flash(4, 4096, 32)
    images = restart(flash)
    data = image(_SEED, 3000)
    at = _add(images, "app", data)
    module = images.load(Runtime(), "app")
    images.remove("app")
    for _ in range(6):
        _add(images, "net", image(_SEED, 3000))
    assert flash.view(at, len(data)) == data
    module.base = 0
    for _ in range(6):
        _add(images, "net", image(_SEED, 3000))
    assert flash.view(at, len(data)) != data


def test_what_is_loaded_by_its_address_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    flash = Flash(4, 4096, 32)
    images = restart(flash)
    data = image(_SEED, 3000)
    at = _add(images, "app", data)
    used = SimpleNamespace(modules=[SimpleNamespace(base=at)])
    monkeypatch.setattr("insitu.port.alive.latest", [used])
    images.remove("app")
    for _ in range(6):
        _add(images, "net", image(_SEED, 3000))
    assert flash.view(at, len(data)) == data
    used.modules.clear()
    for _ in range(6):
        _add(images, "net", image(_SEED, 3000))
    assert flash.view(at, len(data)) != data


def test_blocks_wear_alike() -> None:
    """They are taken in turn: none of 16 is erased twice as often as another, with two images in up to four."""
    flash = Flash(16, 4096, 32)
    for _ in range(200):
        _add(restart(flash), "app", image(_SEED, 7000))
    assert sum(flash.erased) >= 400
    assert max(flash.erased) < 2 * min(flash.erased)


@pytest.mark.parametrize("blocks", [2, 3])
def test_two_large_blocks_are_enough_for_updates(blocks: int) -> None:
    """Of an image of up to a block; with one block there is never room for the next beside the one in use."""
    flash = Flash(blocks, 131072, 32)
    for version in range(1, 6):
        data = image(_SEED, 120000)
        at = _add(restart(flash), "app", data)
        assert flash.view(at, len(data)) == data
        assert _states(restart(flash))[0] == ("app", version, "current")
    images = restart(Flash(1, 131072, 32))
    _add(images, "app", image(_SEED, 120000))
    with pytest.raises(OSError, match="no room in flash for 120000 bytes: remove an image"):
        _add(images, "app", image(_SEED, 120000))


def test_an_image_that_has_no_name_stays() -> None:
    flash = Flash(8, 4096, 32)
    alone = image(_SEED, 6000)
    flash.data[: len(alone)] = alone
    images = restart(flash)
    for _ in range(8):
        _add(images, "app", image(_SEED, 3000))
    assert flash.view(BASE, len(alone)) == alone
    assert _states(images)[-1] == ("", 0, "flashed without a name")
    images.remove("")
    assert ("", 0, "flashed without a name") not in _states(images)


def test_what_goes_when_the_start_is_erased() -> None:
    """Two large images of a segment each, then a small one in what the first has left."""
    images = restart(Flash(8, 4096, 32))
    for name, size in (("a", 6000), ("b", 9000), ("c", 500)):
        _add(images, name, image(_SEED, size))
    assert [{i.name for i in images.found(None, blocks)} for blocks in range(4)] == [
        set(),
        {"a", "c"},
        {"a", "c"},
        {"a", "b", "c"},
    ]


def test_what_is_no_whole_image_never_counts() -> None:
    images = restart(Flash(8, 4096, 32))
    data = image(_SEED, 3000)
    for wrong, why in ((b"\0" * 3000, "no image"), (data[:-1] + bytes([data[-1] ^ 1]), "a damaged image")):
        with pytest.raises(OSError, match=f"what was written is {why}"):
            _add(images, "app", wrong)
    writer = images.begin("app", 3000)
    writer.write(data[:1000])
    with pytest.raises(OSError, match="1000 bytes of 3000 were written"):
        writer.end()
    with pytest.raises(OSError, match="has 3000 bytes, and more are written"):
        writer.write(data)
    _add(images, "net", data)
    with pytest.raises(OSError, match="another image was begun since"):
        writer.write(data[1000:])
    assert _states(images) == [("net", 1, "current")]


@pytest.mark.parametrize("name", ["", 41 * "a"])
def test_a_name_has_a_length(name: str) -> None:
    with pytest.raises(ValueError, match="a name has 1 to 40 bytes"):
        restart(Flash(8, 4096, 32)).begin(name, 100)


def test_the_harness_sees_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that counts before its data is there."""
    monkeypatch.setattr(store.Image, "whole", lambda self: not self.removed())
    with pytest.raises(AssertionError):
        sequence(4, 5, 2000)


def test_the_harness_sees_what_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removed images that are there again."""
    monkeypatch.setattr(store.Image, "removed", lambda self: False)
    with pytest.raises(AssertionError):
        sequence(2, 25, 1000)


def test_without_its_last_unit_a_segment_holds_nothing() -> None:
    """An erase that has come from the end up to the marks: the removed image must not be there again."""
    flash = Flash(4, 4096, 32)
    images = restart(flash)
    _add(images, "app", image(_SEED, 500))
    images.remove("app")
    assert [kind for _, _, kind in images.segments()] == [1]
    flash.data[4096 - 32 : 4096] = b"\xff" * 32
    assert [kind for _, _, kind in images.segments()] == [0]
    assert list(images.records()) == []


def test_data_that_looks_like_a_segment_is_never_one() -> None:
    """An image has all of a segment in it where a block begins; it is removed, and each erase of it is cut."""
    scratch = Flash(8, 1024, 32)
    _add(restart(scratch), "app", image(_SEED, 700))
    _add(restart(scratch), "evil", image(_SEED, 400))
    assert [(block, blocks) for block, blocks, _ in Images(scratch).segments()] == [(0, 1), (1, 1)]
    data = bytearray(image(_SEED, 5000))
    data[1024 - 192 : 2048 - 192] = scratch.data[1024:2048]  # its segment's head takes 32 bytes, its own 160
    struct.pack_into("<I", data, layout.IMAGE_CRC, zlib.crc32(data[layout.IMAGE_CRC + 4 :]))
    flash = Flash(8, 1024, 32)
    _add(restart(flash), "app", bytes(data))
    assert flash.data[1024:2048] == scratch.data[1024:2048]
    restart(flash).remove("app")
    before = bytes(flash.data)
    for left in range(7):  # operations: six blocks are erased, and one for the new image
        flash.data[:] = before
        images = restart(flash)
        flash.left = left
        with pytest.raises(store.PowerCut):
            _add(images, "net", image(_SEED, 5000))
        assert [row[0] for row in restart(flash).rows()] == []


def test_every_step_is_among_the_sequences() -> None:
    found = [Sequence(Flash(16, 4096, 32), random.Random(seed), 1000) for seed in range(30)]
    words = {one.choose(restart(one.flash))[0].split()[0] for one in found}
    assert words == {"add"}  # of nothing there
    _add(restart(found[0].flash), "app", image(_SEED, 500))
    assert {found[0].choose(restart(found[0].flash))[0].split()[0] for _ in range(60)} == {"add", "start", "remove"}


# --- from the host, and loaded by name ---

_BOARD = load_board("qemu_mps2_an385")


def _returns(value: int) -> bytes:
    text = f'(module (func (export "f") (result i32) (i32.const {value})))'
    return compile_wasm(bytes(wasmtime.wat2wasm(text)), _BOARD.target)


def test_a_program_loads_an_image_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    place = controller.place(_BOARD)
    flash = Flash(4, 4096, 32)
    flash.PLACE = (BASE, 4 * 4096, 4096)
    for value in (1, 2):
        _add(restart(flash), "app", _returns(value))
    moved = bytes(flash.data)
    monkeypatch.setattr(simulated_flash, "PLACE", (place[0], len(moved), 4096))
    with Simulated(_BOARD, [(place[0], moved)]) as machine, machine.link() as link:
        link.run("import insitu\nrt = insitu.Runtime(heap=bytearray(8192))\nmod = rt.load('app')\n")
        assert link.run("print(mod.instantiate().exports.f())") == b"2\n"
        with pytest.raises(DeviceError, match="there is no file and no image in flash that is called net"):
            link.run("rt.load('net')")
        with pytest.raises(DeviceError, match="FileNotFoundError"):
            link.run("rt.load('/rom/net')")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("adafruit_feather_m4", "flash of SAMD51x19 is not programmed by the board itself"),
        ("qemu_stm32f405", "flash of STM32F405 is not programmed by the board itself"),
    ],
)
def test_a_board_without_a_place_is_refused(name: str, why: str) -> None:
    with pytest.raises(InsituError, match=why), on_host.opened(load_board(name), "/dev/null"):
        pass
