"""verifier.c: RFC 8032's vectors, what a strict verifier refuses, and OpenSSL as the oracle."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from insitu import aot, sim
from insitu.image.read import read
from insitu.port.update import trust
from insitu.port.xip import layout
from insitu.sign import verifier

from tests.sign.oracle import ORDER, PRIME, openssl_verifies, verifies

# RFC 8032, 7.1: key, message, signature; of its five those whose message is as short as ours are.
_RFC = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
]
# Orders 1, 2, 4 and 8: the encodings of all points of small order, canonical and not.
_SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
)


@pytest.mark.parametrize(("key", "message", "signature"), _RFC)
def test_the_standard_s_vectors(key: str, message: str, signature: str) -> None:
    public, text, signed = bytes.fromhex(key), bytes.fromhex(message), bytearray.fromhex(signature)
    assert verifies(signed, public, text)
    signed[5] ^= 1
    assert not verifies(signed, public, text)


def _signed(rng: random.Random) -> tuple[bytes, bytes, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    message = rng.randbytes(rng.randrange(176))
    return private.sign(message), private.public_key().public_bytes_raw(), message


def test_says_what_openssl_says() -> None:
    """Of signatures that are right, and with a bit flipped anywhere."""
    rng = random.Random(8)
    for _ in range(150):
        found = _signed(rng)
        assert verifies(*found) and openssl_verifies(*found)
        parts = [bytearray(part) for part in found]
        part = rng.choice([part for part in parts if part])
        part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
        wrong = tuple(map(bytes, parts))
        assert not openssl_verifies(*wrong)
        assert not verifies(*wrong)


def test_s_is_below_the_order() -> None:
    """Malleability: s + the order is the same modulo it (RFC 8032, 8.4)."""
    rng = random.Random(9)
    for times in range(1, 9):
        signature, key, message = _signed(rng)
        s = int.from_bytes(signature[32:], "little") + times * ORDER
        other = signature[:32] + s.to_bytes(32, "little")
        assert not openssl_verifies(other, key, message)
        assert not verifies(other, key, message)


@pytest.mark.parametrize("key", _SMALL)
def test_no_key_of_small_order(key: str) -> None:
    """With such a key s = 0 and R = k A verify for one message in eight at least: any of them is refused."""
    for number in range(16):
        for r in _SMALL:
            assert not verifies(bytes.fromhex(r) + bytes(32), bytes.fromhex(key), bytes([number]))


def test_small_order_is_what_lets_forgeries_through() -> None:
    """The test above tests something: OpenSSL, which follows the standard alone, takes some of these."""
    keys = [bytes.fromhex(key) for key in _SMALL[:2]]
    assert any(openssl_verifies(key + bytes(32), other, b"1") for key in keys for other in keys)


def test_y_is_below_the_prime() -> None:
    """Encodings of y + p, for which there is room where y < 19; and of x = 0 with a sign (RFC 8032, 5.1.3)."""
    for y in range(19):
        for sign in (0, 1 << 255):
            key = (y + PRIME | sign).to_bytes(32, "little")
            assert not verifies(bytes(64), key, b"")
    assert not verifies(bytes(64), (1 | 1 << 255).to_bytes(32, "little"), b"")


def test_r_is_compared_as_it_is_written() -> None:
    """R = identity has the encodings 1 and p + 1; s B = k A + R holds for both."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature, key = private.sign(b"x"), private.public_key().public_bytes_raw()
    y = int.from_bytes(signature[:32], "little")
    for other in (y ^ 1 << 255, (y + PRIME) % 2**256):
        assert not verifies(other.to_bytes(32, "little") + signature[32:], key, b"x")


@pytest.mark.parametrize("length", [-1, 176, 1 << 20, -(1 << 31)])
def test_a_length_that_does_not_fit(length: int) -> None:
    import wasmtime

    store = wasmtime.Store()
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, verifier.module()), []).exports(store)
    assert exports["verify"](store, length) == 0  # type: ignore[operator]


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4f", "rv32imc"])
def test_on_a_simulated_cpu_in_the_ram_that_it_is_given(target: str) -> None:
    image = verifier.image(target)
    needs = read(image)
    assert needs.word(layout.IMAGE_STACK_GUARD) + needs.word(layout.IMAGE_STACK_NEEDED) <= trust.STACK
    for right in (True, False):
        cpu = sim.install(sim.Cpu(target))
        cpu.map_flash(0x10000000, image)
        from insitu import port

        signature, key, message = _signed(random.Random(3))
        runtime = port.Runtime(heap=bytearray(trust.HEAP))
        instance = runtime.load(0x10000000).instantiate(stack_size=trust.STACK)
        at = instance.exports.place()
        data = signature[32:] + signature[:32] + key + (message if right else message[::-1])
        instance.memory[at : at + len(data)] = data
        assert instance.exports.verify(len(message)) == right
        assert 0 < instance.aux_stack_used() < instance.aux_stack()[1]


def test_pins_what_is_built() -> None:
    """The image is kept from process to process; a new one is the same."""
    assert verifier.image("cortex-m3") == aot.compile_wasm(verifier.module(), "cortex-m3")
