# WASI preview 1 (snapshot of 2019, wasi_snapshot_preview1), as far as the libraries of C, Rust and AssemblyScript
# need it to start and to print: on the board's own console, clock and files. Anything else answers ENOSYS.
#
#   w = Wasi(args=("app",), files={3: open("log.txt", "wb")})
#   inst = mod.instantiate(imports=w.imports(mod)); w.bind(inst)
#   code = w.start()
import struct
import sys

from .xip.layout import IMPORT_MODULE, IMPORT_NAME

NAME = "wasi_snapshot_preview1"
# Error numbers of the standard
_SUCCESS = 0
_BADF = 8
_FAULT = 21
_INVAL = 28
_IO = 29
_NOSYS = 52
_SPIPE = 70
_CHARACTER_DEVICE = 2
_REGULAR_FILE = 4


# proc_exit: ends the call into the module.
class Exit(Exception):
    def __init__(self, code):
        super().__init__("the program ended with exit code %d" % code)
        self.code = code


# Nanoseconds, or None where the firmware has no clock.
def _nanoseconds():
    try:
        import time
    except ImportError:
        return None
    if hasattr(time, "time_ns"):
        return time.time_ns()
    return time.ticks_us() * 1000 if hasattr(time, "ticks_us") else None


# length random bytes, or None where the firmware has no source of them.
def _random(length):
    import os

    return os.urandom(length) if hasattr(os, "urandom") else None


def _bytes_of(stream):
    return getattr(stream, "buffer", stream)


class Wasi:
    # files: by descriptor, objects with read, write, seek, close; 0, 1 and 2 are the console unless given
    def __init__(self, args=(), env=None, files=None, nanoseconds=_nanoseconds, random=_random):
        self.args = [text.encode() + b"\0" for text in args]
        self.env = [("%s=%s" % item).encode() + b"\0" for item in (env or {}).items()]
        console = _bytes_of(sys.stdout)
        self.files = {0: _bytes_of(sys.stdin), 1: console, 2: console}
        self.files.update(files or {})
        self.nanoseconds = nanoseconds
        self.random = random
        self.instance = None

    # What instantiate is given for the module's imports from WASI; more: its other imports.
    def imports(self, module, more=None):
        names = [
            module.string(record + IMPORT_NAME)
            for record in module.import_records()
            if module.string(record + IMPORT_MODULE) == NAME
        ]
        found = dict(more or {})
        found[NAME] = {name: self._function(name) for name in names}
        return found

    def bind(self, instance):
        self.instance = instance

    # Runs the program, or sets a library up; its exit code.
    def start(self):
        for name in ("_start", "_initialize"):
            function = self.instance.lookup_function(name)
            if function is not None:
                try:
                    function()
                except Exit as end:
                    return end.code
                return 0
        return 0

    def _function(self, name):
        if name == "proc_exit":
            return self._proc_exit
        method = getattr(self, "_" + name, None)
        if method is None:
            return lambda *_: _NOSYS

        def call(*arguments):
            try:
                return method(*arguments)
            except IndexError:
                return _FAULT
            except OSError:
                return _IO

        return call

    # --- the module's memory ---

    def _put(self, at, kind, *values):
        self.instance.memory.write(at & 0xFFFFFFFF, struct.pack("<" + kind, *values))

    # (address, length) of each buffer of an iovec array
    def _buffers(self, at, count):
        words = self.instance.memory.read(at & 0xFFFFFFFF, 8 * (count & 0xFFFF))
        return [struct.unpack_from("<II", words, 8 * i) for i in range(count & 0xFFFF)]

    def _list(self, items, at, text):
        at, text = at & 0xFFFFFFFF, text & 0xFFFFFFFF
        for item in items:
            self._put(at, "I", text)
            self.instance.memory.write(text, item)
            at += 4
            text += len(item)
        return _SUCCESS

    def _sizes(self, items, count, size):
        self._put(count, "I", len(items))
        self._put(size, "I", sum([len(item) for item in items]))
        return _SUCCESS

    # --- functions ---

    def _args_sizes_get(self, count, size):
        return self._sizes(self.args, count, size)

    def _args_get(self, at, text):
        return self._list(self.args, at, text)

    def _environ_sizes_get(self, count, size):
        return self._sizes(self.env, count, size)

    def _environ_get(self, at, text):
        return self._list(self.env, at, text)

    def _fd_write(self, fd, at, count, written):
        file = self.files.get(fd)
        if file is None:
            return _BADF
        total = 0
        for start, length in self._buffers(at, count):
            file.write(self.instance.memory.read(start, length))
            total += length
        if hasattr(file, "flush"):
            file.flush()
        self._put(written, "I", total)
        return _SUCCESS

    def _fd_read(self, fd, at, count, taken):
        file = self.files.get(fd)
        if file is None:
            return _BADF
        total = 0
        for start, length in self._buffers(at, count):
            data = file.read(length)
            data = data.encode() if isinstance(data, str) else data or b""
            self.instance.memory.write(start, data)
            total += len(data)
            if len(data) < length:
                break
        self._put(taken, "I", total)
        return _SUCCESS

    def _fd_seek(self, fd, offset, whence, place):
        file = self.files.get(fd)
        if file is None:
            return _BADF
        if fd < 3 or not hasattr(file, "seek"):
            return _SPIPE
        if not 0 <= whence <= 2:
            return _INVAL
        self._put(place, "Q", file.seek(offset, whence))
        return _SUCCESS

    def _fd_close(self, fd):
        file = self.files.pop(fd, None)
        if file is None:
            return _BADF
        if fd > 2:
            file.close()
        return _SUCCESS

    def _fd_fdstat_get(self, fd, at):
        if fd not in self.files:
            return _BADF
        kind = _CHARACTER_DEVICE if fd < 3 else _REGULAR_FILE
        self._put(at, "BxHxxxxQQ", kind, 0, 0x1FFFFFFF if fd > 2 else 0x1FFFFFDB, 0)
        return _SUCCESS

    # No directory is opened beforehand: what C's start-up code asks until it hears so.
    def _fd_prestat_get(self, fd, at):
        return _BADF

    def _clock_time_get(self, clock, precision, at):
        now = self.nanoseconds()
        if now is None:
            return _NOSYS
        self._put(at, "Q", now)
        return _SUCCESS

    def _random_get(self, at, length):
        data = self.random(length & 0xFFFFFFFF)
        if data is None:
            return _NOSYS
        self.instance.memory.write(at & 0xFFFFFFFF, data)
        return _SUCCESS

    def _sched_yield(self):
        return _SUCCESS

    def _proc_exit(self, code):
        raise Exit(code)
