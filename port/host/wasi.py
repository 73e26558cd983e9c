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
THREADS, SPAWN = "wasi", "thread-spawn"  # module and import of wasi-threads (threads.py)
# Error numbers of the standard
_SUCCESS = const(0)
_BADF = const(8)
_FAULT = const(21)
_INVAL = const(28)
_NOSYS = const(52)
_SPIPE = const(70)
_CHARACTER_DEVICE = const(2)
_DIRECTORY = const(3)
_REGULAR_FILE = const(4)
_ALL_RIGHTS = const(0x1FFFFFFF)
# of 0, 1, 2: to read; to write. C's library takes a device without fd_seek's for a terminal
_CONSOLE_RIGHTS = (0x2, 0x40, 0x40)
_REALTIME = const(0)
_RESOLUTION = const(1000)  # nanoseconds: of ticks_us, which is the finest that all boards have
_CLOCKS = const(4)
_EPOCH_2000 = 946684800  # seconds from 1970
_PIECE = const(64)  # random bytes at a time

# Of a subscription of poll_oneoff: where its parts are, in bytes; and of the event that comes of it.
_SUBSCRIPTION = const(48)
_TAG = const(8)
_WHAT = const(16)  # clock or descriptor
_TIMEOUT = const(24)
_FLAGS = const(40)  # 1: the timeout is a time of the clock
_EVENT = const(32)
_EVENT_KIND = const(80)  # in bits
_ON_CLOCK = const(0)
_LONGEST_SLEEP = const(1000)  # milliseconds at a time

# What is answered here, with the type that it is imported with.
_TYPES = {
    "args_get": "ii:i",
    "args_sizes_get": "ii:i",
    "clock_res_get": "ii:i",
    "clock_time_get": "iIi:i",
    "environ_get": "ii:i",
    "environ_sizes_get": "ii:i",
    "fd_close": "i:i",
    "fd_fdstat_get": "ii:i",
    "fd_read": "iiii:i",
    "fd_seek": "iIii:i",
    "fd_write": "iiii:i",
    "poll_oneoff": "iiii:i",
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
            return time.time_ns() + self.epoch() * 1000000000
        if hasattr(time, "ticks_us"):
            return self._microseconds(time) * 1000
        return time.monotonic_ns() if hasattr(time, "monotonic_ns") else None

    # Seconds from 1970 to a port's own epoch, which is that or 2000.
    @staticmethod
    def epoch():
        try:
            import time
        except ImportError:
            return 0
        return _EPOCH_2000 if time.gmtime(0)[0] == 2000 else 0

    # ticks_us starts again after some minutes: what lies between two calls is added up.
    def _microseconds(self, time):
        now = time.ticks_us()
        if self._ticks is not None:
            self._elapsed += (now - self._ticks) & time.ticks_add(0, -1)
        self._ticks = now
        return self._elapsed


def _sleep(milliseconds):
    from ..run.sleep import sleep

    sleep(milliseconds)


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
    # folders: of the board's file system, that the program may use: by the name that it is told, a path.
    # clock(number): nanoseconds; random(length): bytes; None from either: there is none here. sleep(milliseconds)
    def __init__(self, args=(), env=None, files=None, folders=None, clock=None, random=_random, sleep=_sleep):
        self.args = [text.encode() + b"\0" for text in args]
        self.env = [("%s=%s" % item).encode() + b"\0" for item in (env or {}).items()]
        output = _console(sys.stdout)
        self.files = {0: _console(sys.stdin), 1: output, 2: output}
        self.files.update(files or {})
        if folders:
            from .wasi_files import Folder

            for name, path in folders.items():
                self.files[max(self.files) + 1] = Folder(path, name)
        self.clock = clock or Clock()
        self.random = random
        self.sleep = sleep
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
        if name in _TYPES:
            return lambda *arguments: self.answer(name, *arguments)
        from .wasi_files import TYPES, Files

        if name not in TYPES:
            return lambda *_: _NOSYS
        return self._caught(Files(self).function(name))

    # What a function of _TYPES says.
    def answer(self, name, *arguments):
        return self._caught(getattr(self, "_" + name))(*arguments)

    def _caught(self, method):
        def call(*arguments):
            try:
                return method(*arguments)
            except IndexError:
                return _FAULT
            except OSError as error:
                from .wasi_files import number

                return number(error)

        return call

    # --- the module's memory ---

    # A start function runs before instantiate returns and bind can be called.
    def view(self, at, length):
        memory = (self.instance or self.module.instances[-1]).memory
        if memory is None:
            raise IndexError("the module has no memory")
        return memory.view(at & 0xFFFFFFFF, length & 0xFFFFFFFF)

    def put(self, at, value, size=4):
        self.view(at, size)[:] = value.to_bytes(size, "little")

    def _get(self, at):
        return int.from_bytes(bytes(self.view(at, 4)), "little")

    # The buffers of an iovec array; one that lies in several far pages is several.
    def _buffers(self, at, count):
        at = at & 0xFFFFFFFF
        for i in range(at, at + 8 * (count & 0xFFFFFFFF), 8):
            view = self.view(self._get(i), self._get(i + 4))
            if hasattr(view, "pieces"):
                yield from view.pieces()
            else:
                yield view

    # Raises IndexError if one of them, or the word at result, is not in memory.
    def _check(self, at, count, result):
        self.view(result, 4)
        self.view(at, 8 * (count & 0xFFFFFFFF))
        for _ in self._buffers(at, count):
            pass

    def _list(self, items, at, text):
        at, text = at & 0xFFFFFFFF, text & 0xFFFFFFFF
        for item in items:
            self.put(at, text)
            self.view(text, len(item))[:] = item
            at += 4
            text += len(item)
        return _SUCCESS

    def _sizes(self, items, count, size):
        self.put(count, len(items))
        self.put(size, sum([len(item) for item in items]))
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
        self.put(written, total)
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
        self.put(taken, total)
        return _SUCCESS

    def _fd_seek(self, fd, offset, whence, place):
        file = self.files.get(fd)
        if file is None:
            return _BADF
        if fd < 3 or not hasattr(file, "seek"):
            return _SPIPE
        self.view(place, 8)
        if not 0 <= whence <= 2 or not -0x80000000 <= offset <= 0x7FFFFFFF:
            return _INVAL
        try:
            self.put(place, file.seek(offset, whence), 8)
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
        kind, rights, inherited = _REGULAR_FILE, _ALL_RIGHTS, 0
        if fd < 3:
            kind, rights = _CHARACTER_DEVICE, _CONSOLE_RIGHTS[fd]
        elif hasattr(self.files[fd], "path"):
            kind, inherited = _DIRECTORY, _ALL_RIGHTS
        self.put(at, kind | rights << 64 | inherited << 128, 24)
        return _SUCCESS

    def _clock_time_get(self, clock, precision, at):
        self.view(at, 8)
        if not 0 <= clock < _CLOCKS:
            return _INVAL
        now = self.clock(clock)
        if now is None:
            return _NOSYS
        self.put(at, now if precision is not None else _RESOLUTION, 8)
        return _SUCCESS

    def _clock_res_get(self, clock, at):
        return self._clock_time_get(clock, None, at)

    def _random_get(self, at, length):
        view = self.view(at, length)
        for start in range(0, len(view), _PIECE):
            data = self.random(min(_PIECE, len(view) - start))
            if data is None:
                return _NOSYS
            view[start : start + len(data)] = data
        return _SUCCESS

    def _sched_yield(self):
        return _SUCCESS

    # Files and the console are ready at once; without one of them it is waited until the first time has come.
    def _poll_oneoff(self, at, to, count, events):
        at, to, count = at & 0xFFFFFFFF, to & 0xFFFFFFFF, count & 0xFFFFFFFF
        if not count:
            return _INVAL
        self.view(events, 4)
        self.view(to, _EVENT * count)
        self.view(at, _SUBSCRIPTION * count)
        now = [self.clock(clock) for clock in range(_CLOCKS)]
        waits = [self._wait(at + _SUBSCRIPTION * i, now) for i in range(count)]
        if None in waits:
            return _INVAL
        first = min(waits)
        left = -(-first // 1000000)
        while left > 0:
            self.sleep(min(left, _LONGEST_SLEEP))
            left -= _LONGEST_SLEEP
        done = 0
        for i in range(count):
            if waits[i] <= first:
                self._put_event(at + _SUBSCRIPTION * i, to + _EVENT * done)
                done += 1
        self.put(events, done)
        return _SUCCESS

    # Nanoseconds until a subscription is due; None: its clock is none.
    def _wait(self, at, now):
        if self.view(at + _TAG, 1)[0] != _ON_CLOCK:
            return 0
        clock = self._get(at + _WHAT)
        if clock >= _CLOCKS or now[clock] is None:
            return None
        wanted = self._get(at + _TIMEOUT) | self._get(at + _TIMEOUT + 4) << 32
        return max(wanted - now[clock], 0) if self.view(at + _FLAGS, 1)[0] & 1 else wanted

    # userdata, error, kind, and of files bytes and flags
    def _put_event(self, at, to):
        kind, fd = self.view(at + _TAG, 1)[0], self._get(at + _WHAT)
        error = _BADF if kind != _ON_CLOCK and fd not in self.files else _SUCCESS
        userdata = self._get(at) | self._get(at + 4) << 32
        self.put(to, userdata | error << 64 | kind << _EVENT_KIND, _EVENT)

    def _proc_exit(self, code):
        raise Exit(code)


# Anything but errors is what only proc_exit does.
def _check_type(name, text):
    wanted = _TYPES.get(name)
    if wanted is None:
        from .wasi_files import TYPES

        wanted = TYPES.get(name)
    if text != wanted and (wanted is not None or text[-2:] != ":i"):
        raise LinkError("incompatible import type: %s.%s is %s, WASI's is %s" % (NAME, name, text, wanted or "...:i"))
