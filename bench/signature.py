"""What it costs a board to verify a signature: executed instructions, and bytes of RAM while it runs."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from insitu import sim
from insitu.port.update import trust
from insitu.sign import verifier

_FLASH = 0x08000000
_DIGEST = 32  # bytes, of SHA-256


@dataclass(frozen=True, slots=True)
class Verifying:
    """Attributes: image: bytes of flash; ram: the most that was used of the global heap, which has both stacks."""

    target: str
    instructions: int
    ram: int
    image: int


def _measure(target: str) -> Verifying:
    image = verifier.image(target)
    cpu = sim.install(sim.Cpu(target))
    cpu.map_flash(_FLASH, image)
    from insitu import port

    rng = random.Random(1)
    key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
    text = trust.message(b"app", 1, rng.randbytes(_DIGEST))
    signature = key.sign(text)
    runtime = port.Runtime(heap=bytearray(trust.HEAP))
    instance = runtime.load(_FLASH).instantiate(stack_size=trust.STACK)
    at = instance.exports.place()
    data = signature[32:] + signature[:32] + key.public_key().public_bytes_raw() + text
    instance.memory[at : at + len(data)] = data
    with cpu.counting() as counter:
        assert instance.exports.verify(len(text)) == 1
    return Verifying(target, counter.instructions, runtime.mem_alloc_info()[2], len(image))


def measure() -> list[Verifying]:
    """On every target."""
    return [_measure(target) for target in sim.CPUS]
