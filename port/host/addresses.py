# Addresses of the module (in linear memory) and of the device, checked and translated; WAMR's names. Where there
# is no such address the answer is False, 0 or None.
from ..xip.layout import FLAG_MEMORY_WINDOW
from ..xip.raw import add


def _extent(instance):
    return instance.memory_size() if instance.block and instance.memory else 0


# Where its first byte is, or, where it has one, the window's.
def place(instance):
    return add(instance.runtime.base, instance.memory_offset()) if instance.block else 0


def _has_window(instance):
    return bool(instance.module.flags() & FLAG_MEMORY_WINDOW and instance.block)


def _app_address(instance, address):
    if _has_window(instance):
        from ..store.far import app_address

        return app_address(instance, address)
    return address - place(instance)


# Methods of an instance.
class Addresses:
    def validate_app_addr(self, offset, size):
        return 0 <= offset and 0 <= size and offset + size <= _extent(self)

    # Whether a string that ends with a 0 byte lies there.
    def validate_app_str_addr(self, offset):
        end = _extent(self)
        if not 0 <= offset < end:
            return False
        memory = self.memory
        while offset < end:
            length = min(64, end - offset)
            if 0 in memory.read(offset, length):
                return True
            offset += length
        return False

    def validate_native_addr(self, address, size):
        return self.validate_app_addr(_app_address(self, address), size)

    def addr_app_to_native(self, offset):
        if not self.validate_app_addr(offset, 1):
            return 0
        if _has_window(self):
            from ..store.far import address_of

            return address_of(self, offset)
        return place(self) + offset

    def addr_native_to_app(self, address):
        offset = _app_address(self, address)
        return offset if self.validate_app_addr(offset, 1) else 0

    # (first, end) of the linear memory that holds offset
    def get_app_addr_range(self, offset):
        end = _extent(self)
        return (0, end) if 0 <= offset < end else None
