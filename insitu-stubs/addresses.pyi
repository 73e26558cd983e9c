"""Addresses of the module, which are places in linear memory, and of the device."""

class Addresses:
    """Methods of Instance, with WAMR's names. Where there is no such address the answer is False, 0 or None."""

    def validate_app_addr(self, offset: int, size: int) -> bool:
        """Whether size bytes at offset lie in linear memory."""

    def validate_app_str_addr(self, offset: int) -> bool:
        """Whether a string that ends with a 0 byte lies there."""

    def validate_native_addr(self, address: int, size: int) -> bool:
        """Whether size bytes at an address of the device lie in linear memory."""

    def addr_app_to_native(self, offset: int) -> int:
        """The device's address of a place in linear memory."""

    def addr_native_to_app(self, address: int) -> int:
        """The place in linear memory at an address of the device."""

    def get_app_addr_range(self, offset: int) -> tuple[int, int] | None:
        """First byte and end of the linear memory that holds offset."""
