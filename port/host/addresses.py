# Addresses of the module (in linear memory) and of the device, checked and translated; WAMR's names. Where there
# is no such address the answer is False, 0 or None.
from ..xip.raw import add


class Addresses:
    def validate_app_addr(self, offset, size):
        return 0 <= offset and 0 <= size and offset + size <= self._extent()

    # Whether a string that ends with a 0 byte lies there.
    def validate_app_str_addr(self, offset):
        end = self._extent()
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
        offset = address - self._place()
        return self.validate_app_addr(offset, size)

    def addr_app_to_native(self, offset):
        return self._place() + offset if self.validate_app_addr(offset, 1) else 0

    def addr_native_to_app(self, address):
        offset = address - self._place()
        return offset if self.validate_app_addr(offset, 1) else 0

    # (first, end) of the linear memory that holds offset
    def get_app_addr_range(self, offset):
        end = self._extent()
        return (0, end) if 0 <= offset < end else None

    def _extent(self):
        return self.memory_size() if self.block and self.memory else 0

    def _place(self):
        return add(self.runtime.base, self.memory_offset()) if self.block else 0
