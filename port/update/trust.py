# Which images a runtime takes that has keys: those that one of them has signed, with Ed25519 (docs/SECURITY.md).
#
# What verifies is a module itself, executed in place from flash: it lies among the images, and is known by the SHA-256
# of its bytes, which packaging writes here. Nothing of the image that it is asked about has been executed then.
import struct
from hashlib import sha256

from micropython import const

from ..alive import latest
from ..errors import LoadError
from ..platform import view
from .images import Images

# Behind an image: magic, version, public key, bytes of the name, name; then the signature.
SIGNED = "<4sI32sB3x40s"
SIGNED_SIZE = const(84)
SIGNATURE_SIZE = const(64)
SIGNED_MAGIC = b"INSG"
DOMAIN = b"insitu image 1\0"
VERIFIER = b""  # SHA-256
VERIFIER_NAME = "insitu.verify"
HEAP = const(3072)  # bytes that it runs in
STACK = const(1112)  # of these, at least what IMAGE_STACK_GUARD and IMAGE_STACK_NEEDED ask for on any CPU


# What a signature is of: the image by its SHA-256, with its name and version.
def message(name, version, digest):
    return DOMAIN + struct.pack("<IB", version, len(name)) + name + digest


# Raises LoadError unless the image at base is to be taken. name: what it must be called, or None. limit: bytes that
# there are from base on, or None.
def check(runtime, base, size, limit, name):
    if limit is not None and limit < size + SIGNED_SIZE + SIGNATURE_SIZE:
        raise LoadError("the image is not signed: `insitu sign` does it")
    block = bytes(view(base + size, SIGNED_SIZE + SIGNATURE_SIZE))
    _, version, key, length, called = struct.unpack_from(SIGNED, block)
    called = called[:length]
    # nothing in the block may be other than it was made
    if block[:SIGNED_SIZE] != struct.pack(SIGNED, SIGNED_MAGIC, version, key, length, called):
        raise LoadError("the image is not signed: `insitu sign` does it")
    if key not in runtime.trusted:
        raise LoadError("the image is signed by a key that this runtime does not trust")
    if name is not None and called != name.encode():
        raise LoadError("the image is signed as %s, not as %s" % (called, name))
    text = message(called, version, sha256(view(base, size)).digest())
    if not _verified(type(runtime), block[SIGNED_SIZE:], key, text):
        raise LoadError("the signature is not of this image")
    least = getattr(runtime.trusted, "least", {}).get(str(called, "utf-8"), 0)
    if version < least:
        raise LoadError("the image has version %d, and the least that is trusted is %d" % (version, least))


# Public keys, 32 bytes each; least: by name, the lowest version that is taken.
class Trusted:
    def __init__(self, keys, least):
        self.keys = keys
        self.least = least

    def __contains__(self, key):
        return key in self.keys


def _verified(Runtime, signature, key, text):
    last = latest[0]
    runtime = Runtime(heap=bytearray(HEAP))
    try:
        exports = runtime.load(_verifier()).instantiate(stack_size=STACK).exports
        at = exports.place()
        data = signature[32:] + signature[:32] + key + text
        runtime.instances[0].memory[at : at + len(data)] = data
        return exports.verify(len(text)) == 1
    finally:
        runtime.destroy()
        latest[0] = last


def _verifier():
    for image in Images().found(VERIFIER_NAME):
        if sha256(view(image.address, image.size)).digest() == VERIFIER:
            return image.address
    raise LoadError("what verifies signatures is not in flash, or another: `insitu flash --sign KEY` puts it there")
