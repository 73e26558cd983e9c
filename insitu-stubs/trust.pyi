"""Keys that have signed what a runtime loads: docs/SECURITY.md."""

from collections.abc import Mapping, Sequence

class Trusted:
    """What Runtime(trusted=...) takes instead of a list of keys, where old versions are refused, too.

    Attributes: keys: public ones, 32 bytes each; least: by name, the lowest version that is taken.
    """

    keys: Sequence[bytes]
    least: Mapping[str, int]

    def __init__(self, keys: Sequence[bytes], least: Mapping[str, int]) -> None:
        """Both as the attributes are; a name that is not in least may have any version."""

    def __contains__(self, key: bytes) -> bool: ...
