# WASI preview 1 (wasi_snapshot_preview1), as far as the libraries of C, Rust and AssemblyScript need it to start
# and to print: on the board's own console, clock and files. Any other function of it answers ENOSYS.
#
#   w = Wasi(args=("app",), files={3: open("log.txt", "wb")})
#   inst = mod.instantiate(imports=w.imports(mod)); w.bind(inst)
#   code = w.start()
#
# Nothing that the module says is trusted: its pointers are checked before anything is read, written or printed.
import sys

from micropython import const

from ..errors import Error, LinkError
from ..xip.layout import IMPORT_INDEX, IMPORT_KIND, IMPORT_MODULE, IMPORT_NAME, KIND_FUNCTION

NAME = "wasi_snapshot_preview1"
# Error numbers of the standard
_SUCCESS = const(0)
_BADF = const(8)
_FAULT = const(21)
_INVAL = const(28)
_IO = const(29)
_NOSYS = const(52)
_SPIPE = const(70)
_CHARACTER_DEVICE = const(2)
_REGULAR_FILE = const(4)
_ALL_RIGHTS = const(0x1FFFFFFF)
# of 0, 1, 2: to read; to write. C's library takes a device without fd_seek's for a terminal
_CONSOLE_RIGHTS = (0x2, 0x40, 0x40)
_REALTIME = const(0)
_CLOCKS = const(4)
_EPOCH_2000 = 946684800  # seconds from 1970
_PIECE = const(64)  # random bytes at a time

# What is answered here, with the type that it is imported with. prestat: no directory is open beforehand.
_TYPES = {
    "args_get": "ii:i",
    "args_sizes_get": "ii:i",
    "clock_time_get": "iIi:i",
    "environ_get": "ii:i",
    "environ_sizes_get": "ii:i",
    "fd_close": "i:i",
    "fd_fdstat_get": "ii:i",
    "fd_prestat_get": "ii:i",
    "fd_read": "iiii:i",
    "fd_seek": "iIii:i",
    "fd_write": "iiii:i",
    "proc_exit": "i:",
    "random_get": "ii:i",
    "sched_yield": ":i",
}


# proc_exit: ends the call into the module.
class Exit(Exception):
    def __init__(self, code):
        super().__init__("the program ended with exit code %d" % code)
        self.code = code


# Nanoseconds since 1970 (clock 0) or since some moment (the others), None where the firmware cannot tell.
class Clock:
    def __init__(self):
        self._ticks = None
        self._elapsed = 0  # microseconds until then

    def __call__(self, clock):
        try:
            import time
        except ImportError:
            return None
        if clock == _REALTIME:
            if not hasattr(time, "time_ns"):
                return None
            # a port's own epoch is 1970 or 2000
            return time.time_ns() + (_EPOCH_2000 * 1000000000 if time.gmtime(0)[0] == 2000 else 0)
        if hasattr(time, "ticks_us"):
            return self._microseconds(time) * 1000
        return time.monotonic_ns() if hasattr(time, "monotonic_ns") else None

    # ticks_us starts again after some minutes: what lies between two calls is added up.
    def _microseconds(self, time):
        now = time.ticks_us()
        if self._ticks is not None:
            self._elapsed += (now - self._ticks) & time.ticks_add(0, -1)
        self._ticks = now
        return self._elapsed


# length random bytes, None where the firmware has no source of them.
def _random(length):
    import os

    return os.urandom(length) if hasattr(os, "urandom") else None


# MicroPython's console takes bytes itself, and turns "\n" into what a terminal wants; CPython's has a buffer for them.
def _console(stream):
    return stream if sys.implementation.name == "micropython" else getattr(stream, "buffer", stream)


# One line at most: a terminal must not be waited for until the buffer is full.
def _read_line(file, view):
    for i in range(len(view)):
        if not file.readinto(view[i : i + 1]):
            return i
        if view[i] == 10:
            return i + 1
    return len(view)


class Wasi:
    # files: by descriptor, objects with readinto, write, seek, close as far as they are used; 0, 1 and 2 are the
    # console unless given. write is handed a memoryview of linear memory, good for that call only.
    # clock(number): nanoseconds; random(length): bytes; None from either: there is none here.
    def __init__(self, args=(), env=None, files=None, clock=None, random=_random):
        self.args = [text.encode() + b"\0" for text in args]
        self.env = [("%s=%s" % item).encode() + b"\0" for item in (env or {}).items()]
        output = _console(sys.stdout)
        self.files = {0: _console(sys.stdin), 1: output, 2: output}
        self.files.update(files or {})
        self.clock = clock or Clock()
        self.random = random
        self.module = self.instance = None

    # What instantiate is given for the module's imports from WASI; more: its other imports.
    def imports(self, module, more=None):
        self.module = module
        found = dict(more or {})
        found[NAME] = functions = {}
        for record in module.import_records():
            if module.string(record + IMPORT_MODULE) == NAME and module.word(record + IMPORT_KIND) == KIND_FUNCTION:
                name = module.string(record + IMPORT_NAME)
                _check_type(name, module.function_type(module.word(record + IMPORT_INDEX)))
                functions[name] = self._function(name)
        return found

    def bind(self, instance):
        self.instance = instance

    # Runs a program, or sets a library up; its exit code.
    def start(self):
        for name in ("_start", "_initialize"):
            function = self.instance.lookup_function(name)
            if function is not None:
                try:
                    function()
                except Exit as end:
                    return end.code
                return 0
        raise Error("the module exports neither _start nor _initialize")

    def _function(self, name):
        if name == "proc_exit":
            return self._proc_exit
        if name not in _TYPES:
            return lambda *_: _NOSYS
        method = getattr(self, "_" + name)

        def call(*arguments):
            try:
                return method(*arguments)
            except IndexError:
                return _FAULT
            except OSError:
                return _IO

        return call

    # --- the module's memory ---

    # A start function runs before instantiate returns and bind can be called.
    def _view(self, at, length):
        memory = (self.instance or self.module.instances[-1]).memory
        if memory is None:
            raise IndexError("the module has no memory")
        return memory.view(at & 0xFFFFFFFF, length & 0xFFFFFFFF)

    def _put(self, at, value, size=4):
        self._view(at, size)[:] = value.to_bytes(size, "little")

    def _get(self, at):
        return int.from_bytes(bytes(self._view(at, 4)), "little")

    # The buffers of an iovec array.
    def _buffers(self, at, count):
        at = at & 0xFFFFFFFF
        for i in range(at, at + 8 * (count & 0xFFFFFFFF), 8):
            yield self._view(self._get(i), self._get(i + 4))

    # Raises IndexError if one of them, or the word at result, is not in memory.
    def _check(self, at, count, result):
        self._view(result, 4)
        self._view(at, 8 * (count & 0xFFFFFFFF))
        for _ in self._buffers(at, count):
            pass

    def _list(self, items, at, text):
        at, text = at & 0xFFFFFFFF, text & 0xFFFFFFFF
        for item in items:
            self._put(at, text)
            self._view(text, len(item))[:] = item
            at += 4
            text += len(item)
        return _SUCCESS

    def _sizes(self, items, count, size):
        self._put(count, len(items))
        self._put(size, sum([len(item) for item in items]))
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
        if fd == 0 or not hasattr(file, "write"):
            return _BADF
        self._check(at, count, written)
        total = 0
        for view in self._buffers(at, count):
            done = file.write(view)
            done = len(view) if done is None else done
            total += done
            if done < len(view):
                break
        if hasattr(file, "flush"):
            file.flush()
        self._put(written, total)
        return _SUCCESS

    def _fd_read(self, fd, at, count, taken):
        file = self.files.get(fd)
        if fd in (1, 2) or not hasattr(file, "readinto"):
            return _BADF
        self._check(at, count, taken)
        total = 0
        for view in self._buffers(at, count):
            done = _read_line(file, view) if fd == 0 else file.readinto(view) or 0
            total += done
            if done < len(view) or (fd == 0 and done and view[done - 1] == 10):
                break
        self._put(taken, total)
        return _SUCCESS

    def _fd_seek(self, fd, offset, whence, place):
        file = self.files.get(fd)
        if file is None:
            return _BADF
        if fd < 3 or not hasattr(file, "seek"):
            return _SPIPE
        self._view(place, 8)
        if not 0 <= whence <= 2 or not -0x80000000 <= offset <= 0x7FFFFFFF:
            return _INVAL
        try:
            self._put(place, file.seek(offset, whence), 8)
        except ValueError:  # before the start
            return _INVAL
        return _SUCCESS

    def _fd_close(self, fd):
        file = self.files.pop(fd, None)
        if file is None:
            return _BADF
        if fd > 2:
            file.close()
        return _SUCCESS

    # filetype, flags, rights, rights that what it opens has
    def _fd_fdstat_get(self, fd, at):
        if fd not in self.files:
            return _BADF
        kind, rights = _REGULAR_FILE, _ALL_RIGHTS
        if fd < 3:
            kind, rights = _CHARACTER_DEVICE, _CONSOLE_RIGHTS[fd]
        self._put(at, kind | rights << 64, 24)
        return _SUCCESS

    # C's start-up code asks for directories until it hears that there are none.
    def _fd_prestat_get(self, fd, at):
        return _BADF

    def _clock_time_get(self, clock, precision, at):
        self._view(at, 8)
        if not 0 <= clock < _CLOCKS:
            return _INVAL
        now = self.clock(clock)
        if now is None:
            return _NOSYS
        self._put(at, now, 8)
        return _SUCCESS

    def _random_get(self, at, length):
        view = self._view(at, length)
        for start in range(0, len(view), _PIECE):
            data = self.random(min(_PIECE, len(view) - start))
            if data is None:
                return _NOSYS
            view[start : start + len(data)] = data
        return _SUCCESS

    def _sched_yield(self):
        return _SUCCESS

    def _proc_exit(self, code):
        raise Exit(code)


# Anything but errors is what only proc_exit does.
def _check_type(name, text):
    wanted = _TYPES.get(name)
    if text != wanted and (wanted is not None or text[-2:] != ":i"):
        raise LinkError("incompatible import type: %s.%s is %s, WASI's is %s" % (NAME, name, text, wanted or "...:i"))
