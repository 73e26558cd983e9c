# Carries out a script's commands on the device runtime. Runs under MicroPython and under CPython; a command is a
# method's name and its arguments, all of them literals. What it gives: a kind, what came of it, and how many bytes,
# more than the whole heap has, were asked for in vain since the last module:
#   ("values", [...], 0), ("trap", message, 0), ("link", message, 0), ("error", message, 0)
# A value is its bits for numbers, None for a null reference, ("extern", n) or "function" for others.
# On a device the package is called insitu, not insitu.port (machines.py).
import struct

from insitu.port.errors import Error, LinkError, Trap
from insitu.port.run.checked import enter
from insitu.port.run.values import store
from insitu.port.runtime import Runtime

_CELL = {"i": "<I", "I": "<Q", "f": "<I", "F": "<Q"}


def _nothing(*_):
    return None


class Extern:
    def __init__(self, number):
        self.number = number


class Script:
    # heap: what Runtime takes; stack: bytes of each instance's operand stack; addresses: of the images
    def __init__(self, heap, stack, addresses):
        self.runtime = Runtime(heap=heap)
        self.stack = stack
        self.addresses = addresses
        self.names = {}  # of instances, "$name" as the script says
        self.current = None
        names = ("", "_i32", "_i64", "_f32", "_f64", "_i32_f32", "_f64_f64")
        self.registered = {"host": {"print" + name: _nothing for name in names}}
        self.externs = {}
        self.wanted = 0
        self._watch(self.runtime.heap)

    def step(self, command, *args):
        kind, what = self._try(command, args)
        return kind, what, self.wanted

    def _try(self, command, args):
        try:
            return "values", getattr(self, command)(*args) or []
        except Trap as error:
            return "trap", error.message
        except LinkError as error:
            return "link", str(error)
        except Error as error:
            return "error", str(error)

    # --- commands ---

    def instantiate(self, image, name):
        self.forget()
        self.try_module(image, name)

    # The module before is left, unless something may still refer to it.
    def forget(self):
        self.wanted = 0
        self._drop()
        self.current = None

    # A module that cannot be linked or traps is never the current one.
    def try_module(self, image, name=None):
        module = self.runtime.load(self.addresses[image])
        try:
            instance = module.instantiate(stack_size=self.stack, imports=self.registered)
        finally:
            if not module.instances:
                module.unload()
        self.current = instance
        if name:
            self.names[name] = instance

    def register(self, name, register):
        self.registered[register] = self._instance(name)

    def invoke(self, name, field, args):
        function = self._export(name, field)
        letters = function.type
        end = letters.find(":")
        slots, instance = function.instance.slots, function.instance
        words = bytearray(8 * end)
        for i in range(end):
            self._store(instance, letters[i], words, 8 * i, args[i])
        values = enter(function, words)
        results = letters[end + 1 :]
        values = values if len(results) > 1 else (values,)
        return [self._result(results[i], slots, 8 * i, values[i]) for i in range(len(results))]

    def get(self, name, field):
        found = self._export(name, field)
        return [self._result(chr(found.type & 255), found._slot(), 0, found.value)]

    # --- what they need ---

    def _watch(self, heap):
        realloc = heap.realloc

        def watched(block, size, *further):
            if size > heap.size:
                self.wanted = max(self.wanted, size)
            return realloc(block, size, *further)

        heap.realloc = watched

    def _drop(self):
        instance = self.current
        if instance is None or instance in self.registered.values() or instance in self.names.values():
            return
        kinds = [instance.module.word(record) for record in instance.module.import_records()]
        if 1 in kinds or 3 in kinds:  # it may have put its functions into a table or global
            return
        module = instance.module
        instance.deinstantiate()
        module.unload()

    def _instance(self, name):
        instance = self.names.get(name) if name else self.current
        if instance is None:
            raise Error("no module " + (name or "yet"))
        return instance

    def _export(self, name, field):
        found = self._instance(name).lookup(field)
        if found is None:
            raise Error("no export " + repr(field))
        return found

    def _store(self, instance, letter, view, at, value):
        if letter in _CELL:
            struct.pack_into(_CELL[letter], view, at, value)
        else:
            store(instance.runtime, letter, view, at, self._extern(value), "the argument")

    def _extern(self, value):
        if value is None:
            return None
        number = value[1]
        if number not in self.externs:
            self.externs[number] = Extern(number)
        return self.externs[number]

    # Numbers by their bits. A reference's slot means nothing any more.
    def _result(self, letter, view, at, value):
        if letter in _CELL:
            return struct.unpack_from(_CELL[letter], view, at)[0]
        if value is None:
            return None
        return "function" if letter == "p" else ("extern", value.number)
