# WASI's functions on files and folders: those of the board's file system that lie in the folders which the program was
# given, and no others. Loaded when a module imports one of these functions, or after an error of a file.
import os

from micropython import const

_SUCCESS = const(0)
_BADF = const(8)
_EXIST = const(20)
_INVAL = const(28)
_IO = const(29)
_ISDIR = const(31)
_LOOP = const(32)
_NOENT = const(44)
_NOTDIR = const(54)
_NOTSUP = const(58)
_PERM = const(63)
_SPIPE = const(70)
# the standard's numbers by the system's (errno.h of Linux and of MicroPython, py/mperrno.h)
_NUMBERS = {1: 63, 2: 44, 9: 8, 13: 2, 17: 20, 19: 43, 20: 54, 21: 31, 22: 28, 28: 51, 30: 69, 36: 37, 39: 55, 40: 32}

_CHARACTER_DEVICE = const(2)
_DIRECTORY = const(3)
_REGULAR_FILE = const(4)
_MODE_DIRECTORY = const(0x4000)
_MODE_LINK = const(0xA000)
_MODE_KIND = const(0xF000)
_STAT_SIZE = const(6)
_STAT_MODIFIED = const(8)
_PRESTAT_NAME = const(4)  # where fd_prestat_get puts the length of the name
_ENTRY = const(24)  # bytes of a folder's entry before its name
_ENTRY_LENGTH = const(128)  # where they are in the number that these bytes are, in bits
_ENTRY_KIND = const(160)
# of path_open: oflags, fdflags, rights
_CREATE = const(1)
_ONLY_DIRECTORY = const(2)
_EXCLUSIVE = const(4)
_TRUNCATE = const(8)
_APPEND = const(1)
_READ = const(0x2)
_WRITE = const(0x40)

TYPES = {
    "fd_advise": "iIIi:i",
    "fd_datasync": "i:i",
    "fd_filestat_get": "ii:i",
    "fd_prestat_dir_name": "iii:i",
    "fd_prestat_get": "ii:i",
    "fd_pread": "iiiIi:i",
    "fd_pwrite": "iiiIi:i",
    "fd_readdir": "iiiIi:i",
    "fd_renumber": "ii:i",
    "fd_sync": "i:i",
    "fd_tell": "ii:i",
    "path_create_directory": "iii:i",
    "path_filestat_get": "iiiii:i",
    "path_open": "iiiiiIIii:i",
    "path_readlink": "iiiiii:i",
    "path_remove_directory": "iii:i",
    "path_rename": "iiiiii:i",
    "path_unlink_file": "iii:i",
}


# The standard's number for an error of the system's.
def number(error):
    return _NUMBERS.get(error.errno, _IO)


# What ends a function with a number.
class Refused(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


# name: what the program was told, "" unless it was given the folder.
class Folder:
    def __init__(self, path, name=""):
        self.path = path
        self.name = name

    def close(self):
        pass


# Whether there is something: its stat, or None.
def _stat(path):
    try:
        return os.stat(path)
    except OSError as error:
        if _NUMBERS.get(error.errno) != _NOENT:
            raise
        return None


def _is_folder(stat):
    return stat is not None and stat[0] & _MODE_KIND == _MODE_DIRECTORY


class Files:
    def __init__(self, wasi):
        self.wasi = wasi

    # The method that answers a name of TYPES.
    def function(self, name):
        method = getattr(self, "_" + name)

        def call(*arguments):
            try:
                return method(*arguments)
            except Refused as end:
                return end.number

        return call

    # --- the sandbox ---

    # The path on the board that the program's path, in the folder at fd, means; its last part may not exist.
    # No way leads out: ".." ends at the folder, no path is absolute, no link is followed.
    def _path(self, fd, at, length):
        folder = self._folder(fd)
        try:
            text = str(bytes(self.wasi.view(at, length)), "utf-8")
        except (UnicodeError, ValueError):
            raise Refused(_INVAL) from None
        if "\0" in text:
            raise Refused(_INVAL)
        if not text:
            raise Refused(_NOENT)
        if text[0] == "/":
            raise Refused(_PERM)
        parts = []
        for part in text.split("/"):
            if part == "..":
                if not parts:
                    raise Refused(_PERM)
                parts.pop()
            elif part and part != ".":
                parts.append(part)
                _check_no_link(folder.path, parts)
        path = _join(folder.path, parts)
        if text[-1] == "/" and not _is_folder(_stat(path) or (_MODE_DIRECTORY,)):
            raise Refused(_NOTDIR)
        return path

    def _folder(self, fd):
        found = self._open(fd)
        if not isinstance(found, Folder):
            raise Refused(_NOTDIR)
        return found

    def _open(self, fd):
        found = self.wasi.files.get(fd)
        if found is None:
            raise Refused(_BADF)
        return found

    # --- folders that the program was given ---

    def _fd_prestat_get(self, fd, at):
        folder = self.wasi.files.get(fd)
        if not isinstance(folder, Folder) or not folder.name:
            return _BADF
        self.wasi.put(at, len(folder.name.encode()) << 8 * _PRESTAT_NAME, 8)
        return _SUCCESS

    def _fd_prestat_dir_name(self, fd, at, length):
        folder = self._folder(fd)
        name = folder.name.encode()
        if not name:
            return _BADF
        if len(name) > length & 0xFFFFFFFF:
            return _INVAL
        self.wasi.view(at, len(name))[:] = name
        return _SUCCESS

    # --- what is open ---

    # One more descriptor, the lowest that is free, for what is open; its number at result.
    def _new(self, opened, result):
        fd = 3
        while fd in self.wasi.files:
            fd += 1
        self.wasi.files[fd] = opened
        self.wasi.put(result, fd)
        return _SUCCESS

    def _path_open(self, fd, follow, at, length, flags, rights, inherited, fd_flags, result):
        path = self._path(fd, at, length)
        self.wasi.view(result, 4)
        stat = _stat(path)
        if _is_folder(stat):
            if flags & _EXCLUSIVE:
                return _EXIST
            return _ISDIR if rights & _WRITE and not flags & _ONLY_DIRECTORY else self._new(Folder(path), result)
        if stat is None and not flags & _CREATE:
            return _NOENT
        if flags & _ONLY_DIRECTORY:
            return _NOTDIR
        if stat is not None and flags & _CREATE and flags & _EXCLUSIVE:
            return _EXIST
        if stat is None or flags & _TRUNCATE:
            open(path, "wb").close()
        return self._new(open(path, _mode(rights, fd_flags)), result)

    # A file that can be moved about in.
    def _seekable(self, fd):
        found = self._open(fd)
        if fd < 3:
            raise Refused(_SPIPE)
        if not hasattr(found, "seek"):
            raise Refused(_BADF)
        return found

    def _fd_tell(self, fd, at):
        self.wasi.put(at, self._seekable(fd).seek(0, 1), 8)
        return _SUCCESS

    def _fd_pread(self, fd, at, count, offset, taken):
        return self._elsewhere(fd, offset, "fd_read", at, count, taken)

    def _fd_pwrite(self, fd, at, count, offset, written):
        return self._elsewhere(fd, offset, "fd_write", at, count, written)

    # Another function at another place of a file, which is then where it was.
    def _elsewhere(self, fd, offset, name, at, count, result):
        file = self._seekable(fd)
        if not 0 <= offset <= 0x7FFFFFFF:
            return _INVAL
        before = file.seek(0, 1)
        file.seek(offset)
        try:
            return self.wasi.answer(name, fd, at, count, result)
        finally:
            file.seek(before)

    # The console stays what 0, 1 and 2 are at first, and is not closed.
    def _fd_renumber(self, fd, to):
        moved, over = self._open(fd), self._open(to)
        if fd == to:
            return _SUCCESS
        if fd < 3:
            return _NOTSUP
        del self.wasi.files[fd]
        self.wasi.files[to] = moved
        if to > 2:
            over.close()
        return _SUCCESS

    def _fd_sync(self, fd):
        found = self._open(fd)
        if hasattr(found, "flush"):
            found.flush()
        return _SUCCESS

    _fd_datasync = _fd_sync

    def _fd_advise(self, fd, offset, length, advice):
        if isinstance(self._open(fd), Folder):
            return _BADF
        return _INVAL if not 0 <= advice <= 5 else _SUCCESS

    # --- what there is ---

    # device, inode, kind, links, size, times of access, change of the file, change of the entry
    def _put_stat(self, at, kind, size, modified):
        time = modified << 64 | modified
        self.wasi.put(at, kind << 128 | 1 << 192 | size << 256 | (time << 64 | modified) << 320, 64)
        return _SUCCESS

    def _fd_filestat_get(self, fd, at):
        found = self._open(fd)
        if isinstance(found, Folder):
            return self._put_stat(at, _DIRECTORY, 0, 0)
        if fd < 3 or not hasattr(found, "seek"):
            return self._put_stat(at, _CHARACTER_DEVICE, 0, 0)
        before = found.seek(0, 1)
        size = found.seek(0, 2)
        found.seek(before)
        return self._put_stat(at, _REGULAR_FILE, size, 0)

    def _path_filestat_get(self, fd, follow, at, length, result):
        stat = os.stat(self._path(fd, at, length))
        kind = _DIRECTORY if _is_folder(stat) else _REGULAR_FILE
        modified = (int(stat[_STAT_MODIFIED]) + self.wasi.clock.epoch()) * 1000000000
        return self._put_stat(result, kind, stat[_STAT_SIZE], modified)

    # Entries from the one that cookie counts; the last one is cut off where there is no room, which asks for more.
    def _fd_readdir(self, fd, at, length, cookie, used):
        folder = self._folder(fd)
        self.wasi.view(used, 4)
        view = self.wasi.view(at, length)
        room, total = len(view), 0
        names = [".", ".."] + sorted(os.listdir(folder.path))
        for i in range(cookie, len(names)):
            kind = _DIRECTORY if i < 2 or _is_folder(_stat(_join(folder.path, [names[i]]))) else _REGULAR_FILE
            name = names[i].encode()
            head = i + 1 | len(name) << _ENTRY_LENGTH | kind << _ENTRY_KIND
            entry = (head.to_bytes(_ENTRY, "little") + name)[: room - total]
            view[total : total + len(entry)] = entry
            total += len(entry)
            if total == room:
                break
        self.wasi.put(used, total)
        return _SUCCESS

    # --- changes ---

    def _path_create_directory(self, fd, at, length):
        os.mkdir(self._path(fd, at, length))
        return _SUCCESS

    # A file system may remove either by either.
    def _path_remove_directory(self, fd, at, length):
        path = self._path(fd, at, length)
        if not _is_folder(os.stat(path)):
            return _NOTDIR
        os.rmdir(path)
        return _SUCCESS

    def _path_unlink_file(self, fd, at, length):
        path = self._path(fd, at, length)
        if _is_folder(os.stat(path)):
            return _ISDIR
        os.remove(path)
        return _SUCCESS

    def _path_rename(self, fd, at, length, to, to_at, to_length):
        os.rename(self._path(fd, at, length), self._path(to, to_at, to_length))
        return _SUCCESS

    # There are no links.
    def _path_readlink(self, fd, at, length, buffer, room, used):
        os.stat(self._path(fd, at, length))
        return _INVAL


def _mode(rights, fd_flags):
    read, write = rights & _READ, rights & _WRITE
    if not write:
        return "rb"
    if fd_flags & _APPEND:
        return "a+b" if read else "ab"
    return "r+b"


def _join(path, parts):
    return "/".join([path.rstrip("/")] + parts) or "/"


# MicroPython's file systems have no links; where there are some (CPython), os.lstat sees them.
def _check_no_link(path, parts):
    if hasattr(os, "lstat"):
        try:
            mode = os.lstat(_join(path, parts))[0]
        except OSError:
            return
        if mode & _MODE_KIND == _MODE_LINK:
            raise Refused(_LOOP)
