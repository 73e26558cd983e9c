# Addresses of the module (in linear memory) and of the device, checked and translated; WAMR's names. Where there
# is no such address the answer is False, 0 or None.
from ..xip.raw import add


def _extent(instance):
    return instance.memory_size() if instance.block and instance.memory else 0


def _place(instance):
    return add(instance.runtime.base, instance.memory_offset()) if instance.block else 0


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
        offset = address - _place(self)
        return self.validate_app_addr(offset, size)

    def addr_app_to_native(self, offset):
        return _place(self) + offset if self.validate_app_addr(offset, 1) else 0

    def addr_native_to_app(self, address):
        offset = address - _place(self)
        return offset if self.validate_app_addr(offset, 1) else 0

    # (first, end) of the linear memory that holds offset
    def get_app_addr_range(self, offset):
        end = _extent(self)
        return (0, end) if 0 <= offset < end else None
