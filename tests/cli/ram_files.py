# A file system of objects at /data, for firmware that has none to write to. Runs on the board.
import vfs


class _File:
    def __init__(self, data, at):
        self.data = data
        self.at = at

    def readinto(self, buffer):
        count = max(min(len(buffer), len(self.data) - self.at), 0)
        buffer[:count] = self.data[self.at : self.at + count]
        self.at += count
        return count

    def write(self, data):
        self.data[self.at : self.at + len(data)] = bytes(data)
        self.at += len(data)
        return len(data)

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, len(self.data))[whence]
        return self.at

    def flush(self):
        pass

    def close(self):
        pass


class _Ram:
    def __init__(self):
        self.files = {"": None}  # None: a folder

    def mount(self, readonly, mkfs):
        pass

    def _key(self, path, there=True):
        key = path.strip("/")
        if (there and key not in self.files) or (not there and key.rpartition("/")[0] not in self.files):
            raise OSError(2)
        return key

    def mkdir(self, path):
        if self._key(path, False) in self.files:
            raise OSError(17)
        self.files[self._key(path, False)] = None

    def stat(self, path):
        data = self.files[self._key(path)]
        return (0x4000 if data is None else 0x8000, 0, 0, 0, 0, 0, len(data or b""), 0, 0, 0)

    def ilistdir(self, path):
        key = self._key(path)
        for name, data in self.files.items():
            folder, _, last = name.rpartition("/")
            if name and folder == key:
                yield last, 0x4000 if data is None else 0x8000, 0

    def remove(self, path):
        del self.files[self._key(path)]

    def rmdir(self, path):
        if [True for _ in self.ilistdir(path)]:
            raise OSError(39)
        del self.files[self._key(path)]

    def rename(self, old, new):
        self.files[self._key(new, False)] = self.files.pop(self._key(old))

    def open(self, path, mode):
        if mode[0] == "w":
            self.files[self._key(path, False)] = bytearray()
        data = self.files[self._key(path)]
        return _File(data, len(data) if mode[0] == "a" else 0)


vfs.mount(_Ram(), "/data")
imports = {}
