# A system on the device runtime. Runs under MicroPython and under CPython. A step gives (outcome, trace, state,
# overflowed, broken): what came of it, what host functions saw, everything exported, whether an operand stack was
# full at any time since the system began, and what the checks of memory found ("": nothing).
# On a device the package is called insitu, not insitu.port (machines.py); host.py comes before this.
import binascii
import struct
import sys

from insitu.port import platform
from insitu.port.errors import Error, LinkError, LoadError, OutOfHeap, Trap
from insitu.port.run.checked import enter
from insitu.port.run.handles import Function, Memory
from insitu.port.run.shared import Table
from insitu.port.runtime import Runtime
from insitu.port.xip.layout import ENV_BOTTOM, ENV_CELL, ENV_SIZE, ENV_TOP

from tests.fuzz.systems.host import Extern, Refused, World

_FORMATS = {"i": "<I", "I": "<Q", "f": "<I", "F": "<Q"}
_MASKS = {"i": 0xFFFFFFFF, "I": 0xFFFFFFFFFFFFFFFF}
_SEEN = 24  # entries of a table that are looked at, from its start and from its end
_PATTERN = 0xC5
_OUTSIDE = 256  # bytes before and behind the heap that are a canary, where the heap is a region


# A value's bits, the same on every machine.
def _show_bits(letter, view, at, value):
    if letter in "fF":
        bits = struct.unpack_from(_FORMATS[letter], view, at)[0]
        exponent = 0x7F800000 if letter == "f" else 0x7FF << 52
        fraction = (1 << (23 if letter == "f" else 52)) - 1
        return "nan" if bits & exponent == exponent and bits & fraction else "%x" % bits
    return None


class Device(World):
    TRAP = Trap

    # heap: for Runtime(heap=...); options: other keywords of Runtime, instead of it; names: {(module, export): text}
    # of functions, "module.export" of where they are defined
    def __init__(self, addresses, functions, names, constants, heap=None, options=None):
        self.outside = []
        if isinstance(heap, tuple):
            address, size = heap
            self.outside = [(address, _OUTSIDE), (address + size - _OUTSIDE, _OUTSIDE)]
            heap = address + _OUTSIDE, size - 2 * _OUTSIDE
        for at, size in self.outside:
            platform.fill(at, size, _PATTERN)
        self.runtime = Runtime(**(options or {"heap": heap}))
        super().__init__(functions, constants, len(addresses))
        self.addresses = addresses
        self.names = names
        self.modules = [None] * len(addresses)
        self.canaries = []
        self.things = [None] * len(addresses)
        self.called = {}  # names of functions, by module and index

    def step(self, command, *args):
        outcome, trace = super().step(command, *args)
        return outcome, trace, self.state(), self.overflowed, self.broken()

    def failure(self, error):
        if isinstance(error, LinkError):
            return "link: " + str(error)
        if isinstance(error, Error):
            return "error: " + str(error)
        if isinstance(error, RuntimeError) and "recursion" in str(error) and sys.implementation.name == "micropython":
            self.overflowed = True  # Python's own stack, which is as good as the operand stack
            return "recursion"
        raise error

    def _load(self, k):
        self._module(k)
        return "done"

    # extra: bytes of operand stack beyond the least
    def _instantiate(self, k, fuel, extra):
        module = self._module(k)
        imports = {"m%d" % i: self.instances[i] for i in range(k) if self.instances[i] is not None}
        imports["host"] = self.host_imports()
        self.host.fuel = fuel
        self.instances[k] = module.instantiate(stack_size=self.runtime.guard + 64 + extra, imports=imports)
        return "done"

    # --- what host.py needs ---

    def trap_text(self, error):
        if "operand stack overflow" in error.message:
            self.overflowed = True
        return "trap: " + error.message

    def refuel(self, variable, fuel):
        variable.value = fuel

    # What an import that is not a function of Python's is given.
    def constant(self, letter, value):
        return value

    def export(self, k, name):
        instance = self.instances[k]
        return None if instance is None else instance.lookup(name)

    def _thing(self, k, name):
        found = self.export(k, name)
        if found is None:
            raise Refused()
        return found

    def call(self, function, values):
        letters = function.type
        end = letters.find(":")
        params, results = letters[:end], letters[end + 1 :]
        if "f" not in letters and "F" not in letters:
            values = function(*values)
            values = values if len(results) > 1 else (values,)
            return [self.show(results[i], values[i]) for i in range(len(results))]
        instance, words = function.instance, bytearray(8 * end)
        for i in range(end):
            self._put(words, params[i], 8 * i, values[i])
        values = enter(function, words)
        values = values if len(results) > 1 else (values,)
        slots = instance.slots
        return [
            _show_bits(results[i], slots, 8 * i, None) or self.show(results[i], values[i]) for i in range(len(results))
        ]

    def _put(self, words, letter, at, value):
        if letter in "fF":
            struct.pack_into(_FORMATS[letter], words, at, value)
        elif letter in "iI":
            struct.pack_into(_FORMATS[letter], words, at, value & _MASKS[letter])
        else:
            from insitu.port.run.values import store

            store(self.runtime, letter, words, at, value, "the argument")

    # Floats are their bits until they are in a slot.
    def float(self, letter, bits):
        return bits

    def show(self, letter, value):
        if letter == "i":
            return "%x" % (value & _MASKS["i"])
        if letter == "I":
            return "%x" % (value & _MASKS["I"])
        if value is None:
            return "null"
        if isinstance(value, Extern):
            return "extern %d" % value.number
        if isinstance(value, Function):
            return self._name(value)
        return "float"  # a parameter of a host function: what a board's own floats keep of it

    def _name(self, function):
        place = id(function.instance.module), function.index
        if place not in self.called:
            self.called[place] = self._find_name(function)
        return self.called[place]

    def _find_name(self, function):
        module = function.instance.module
        k = self.modules.index(module)
        for name in module.export_names():
            if module.find_export(name) == (0, function.index):
                return self.names.get((k, name)) or "m%d.%s" % (k, name)
        return "?"

    def grow(self, k, name, pages):
        memory = self._thing(k, name)
        try:
            return memory.grow(pages)
        except (OutOfHeap, Error, ValueError, OverflowError):
            raise Refused()

    def write(self, k, name, at, data):
        memory = self._thing(k, name)
        try:
            memory.write(at, data)
        except IndexError:
            raise Refused()
        return "done"

    def read(self, k, name, at, length):
        memory = self._thing(k, name)
        try:
            return memory.read(at, length)
        except IndexError:
            raise Refused()

    def tget(self, k, name, index):
        table = self._thing(k, name)
        try:
            return table[index]
        except IndexError:
            raise Refused()

    def tset(self, k, name, index, value):
        table = self._thing(k, name)
        try:
            table[index] = value
        except IndexError:
            raise Refused()
        return "done"

    def tgrow(self, k, name, count, value):
        table = self._thing(k, name)
        try:
            return table.grow(count, value)
        except (OutOfHeap, Error, ValueError, OverflowError):
            raise Refused()

    def gget(self, k, name):
        return self._show_global(self._thing(k, name))

    def gset(self, k, name, value):
        variable = self._thing(k, name)
        try:
            variable.value = value
        except TypeError:
            raise Refused()
        return "done"

    # Only insitu has modules apart from instances. Where code runs with a smaller guard it is refused, and done when
    # the module is instantiated.
    def load(self, k):
        try:
            self._module(k)
        except LoadError:
            pass
        return "done"

    def _module(self, k):
        if self.modules[k] is None:
            self.modules[k] = self.runtime.load(self.addresses[k])
        return self.modules[k]

    # --- everything that can be seen ---

    def state(self):
        found = []
        for k in range(len(self.instances)):
            for name, thing in self._things(k):
                found.append("m%d.%s: %s" % (k, name, self._describe(thing)))
        return found

    # Everything of an instance that can change; the handles are kept, as a program would.
    def _things(self, k):
        instance = self.instances[k]
        if instance is not None and self.things[k] is None:
            found = [(name, instance.lookup(name)) for name in instance.module.export_names()]
            self.things[k] = [(name, thing) for name, thing in found if not isinstance(thing, Function)]
        return self.things[k] or ()

    def _describe(self, thing):
        if isinstance(thing, Memory):
            return "%d bytes, %x" % (thing.size, binascii.crc32(thing.view(0, thing.size)))
        if isinstance(thing, Table):
            count = len(thing)
            seen = range(count) if count <= 2 * _SEEN else list(range(_SEEN)) + list(range(count - _SEEN, count))
            return "%d entries, %s" % (count, ", ".join([self.show(thing.type, thing[i]) for i in seen]))
        return self._show_global(thing)

    def _show_global(self, thing):
        letter = chr(thing.type & 255)
        return _show_bits(letter, thing._slot(), 0, None) or self.show(letter, thing.value)

    # --- what no guest may touch ---

    def canary(self, size):
        address = self.runtime.malloc(size)
        if address:
            platform.fill(address, size, _PATTERN)
            self.canaries.append((address, size))
        return "done"

    def _canary(self, size):
        return self.canary(size)

    # One canary's place is free again: what is allocated next may lie between others.
    def _free_canary(self, number):
        if self.canaries:
            address, size = self.canaries.pop(number % len(self.canaries))
            self.runtime.free(address)
        return "done"

    def broken(self):
        for address, size in self.canaries + self.outside:
            if platform.count(address, size, _PATTERN) != size:
                return "a canary of %d bytes at 0x%x was overwritten" % (size, address)
        try:
            self.runtime.heap.check()
        except Error as error:
            return str(error)
        for k in range(len(self.instances)):
            if self.instances[k] is not None:
                for env in self.instances[k].exec_envs:
                    text = self._check_env(env)
                    if text:
                        return "m%d: %s" % (k, text)
        return ""

    # The words that the exec env was made with lie right below its operand stack.
    def _check_env(self, env):
        base = self.runtime.base
        bottom = env.offset + ENV_SIZE
        head = platform.view(base + env.offset, ENV_SIZE)
        for field, offset in (
            (ENV_CELL, self.runtime.cell),
            (ENV_BOTTOM, bottom),
            (ENV_TOP, bottom + env.stack_size),
        ):
            if struct.unpack_from("<I", head, field)[0] != base + offset & 0xFFFFFFFF:
                return "word %d of the exec env was overwritten" % field
        if env.busy:
            return "the exec env is busy after all calls ended"
        return ""
