# Operations on the device API, by name, over handles that are numbers. Runs under MicroPython and under CPython.
# An operation is a tuple: the name of a method without its _, and arguments. step gives everything that came of it,
# in order: (operation's name, kind, value) for each one that ended, ("back", n) for each time that a module called
# Python; and what the checks of memory found ("": nothing).
# Kinds: "ok"; "error", the class of an Error of insitu's; "python", the class of another exception; "raised" what an
# import raised; "absent": no such handle.
# On a device the package is called insitu, not insitu.port.
import struct

from insitu.port import platform
from insitu.port.errors import Error, Trap
from insitu.port.run.handles import Function
from insitu.port.runtime import Runtime
from insitu.port.xip.layout import ENV_BOTTOM, ENV_CELL, ENV_SIZE, ENV_TOP

_PATTERN = 0xC5


class Raised(Exception):
    pass


class Absent(Exception):
    pass


class Extern:
    def __init__(self, number):
        self.number = number


class State:
    # addresses: of images, by the module's name; options: keywords of Runtime; empty(): whether an allocator has
    # all back (None: the heap says it)
    def __init__(self, addresses, options, empty=None):
        self.addresses = addresses
        self.options = options
        self.empty = empty
        self.handles = {}
        self.externs = {}
        self.canaries = {}
        self.programs = []
        self.trace = []
        self.result = None
        self.envs = []
        self.make_runtime()

    def make_runtime(self):
        self.runtime = Runtime(**self.options)

    def step(self, operation):
        self.trace = []
        self.do(operation)
        return self.trace, self.broken()

    def do(self, operation):
        name = operation[0]
        try:
            came = "ok", self.show(getattr(self, "_" + name)(*operation[1:]))
        except Absent:
            came = "absent", None
        except Trap as error:
            came = "error", error.message
        except Error as error:
            came = "error", type(error).__name__
        except Raised:
            came = "raised", None
        except (TypeError, IndexError, ValueError, OverflowError, AttributeError, KeyboardInterrupt) as error:
            came = "python", type(error).__name__
        self.trace.append((name,) + came)

    def show(self, value):
        if isinstance(value, Function):
            return "function"
        if isinstance(value, Extern):
            return "extern %d" % value.number
        return value

    # What modules import: the call's next list of operations is carried out.
    def back(self, n):
        self.trace.append(("back", n))
        self.result = None
        result = n + 100
        programs = self.programs[-1] if self.programs else []
        for operation in programs.pop(0) if programs else []:
            if operation[0] == "raise":
                raise KeyboardInterrupt() if operation[1] else Raised()
            if operation[0] == "return":
                result = operation[1]
            else:
                self.do(operation)
        return result

    def get(self, number):
        found = self.handles.get(number)
        if found is None:
            raise Absent()
        return found

    def value(self, source):
        if source is None:
            return None
        kind, number = source
        if kind == "x":
            if number not in self.externs:
                self.externs[number] = Extern(number)
            return self.externs[number]
        return self.get(number)

    # --- operations: number is the handle that is made ---

    def _load(self, number, module):
        self.handles[number] = self.runtime.load(self.addresses[module])

    # stack: bytes beyond the least, None: no exec env. imports: {name: handle of an instance, or {name: handle}}
    def _instantiate(self, number, module, stack, options, imports, program):
        module = self.get(module)
        stack = 0 if stack is None else self.runtime.guard + 64 + stack
        given = {"host": {"back": self.back}}
        for name in imports:
            one = imports[name]
            given[name] = {n: self.get(one[n]) for n in one} if isinstance(one, dict) else self.get(one)
        self.programs.append(list(program))
        try:
            instance = module.instantiate(stack_size=stack, imports=given, **options)
        finally:
            self.programs.pop()
        self.handles[number] = instance
        if instance.exec_env is not None:
            self.envs.append(instance.exec_env)

    def _lookup(self, number, instance, name):
        found = self.get(instance).lookup(name)
        if found is None:
            return "none"
        self.handles[number] = found

    # The export as an attribute, which is how programs write it.
    def _attribute(self, number, instance, name):
        self.handles[number] = getattr(self.get(instance).exports, name)

    def _own_env(self, number, instance):
        found = self.get(instance).exec_env
        if found is None:
            return "none"
        self.handles[number] = found

    def _env(self, number, instance, stack):
        env = self.get(instance).create_exec_env(self.runtime.guard + 64 + stack)
        self.handles[number] = env
        self.envs.append(env)

    def _call(self, function, argument, program):
        function = self.get(function)
        self.programs.append(list(program))
        try:
            return function(argument)
        finally:
            self.programs.pop()

    # function: a name, or a handle
    def _call_on(self, env, function, argument, program):
        env = self.get(env)
        if not isinstance(function, str):
            function = self.get(function)
        self.programs.append(list(program))
        try:
            return env.call(function, argument)
        finally:
            self.programs.pop()

    def _memory(self, instance, number):
        found = self.get(instance).memory
        if found is None:
            return "none"
        self.handles[number] = found

    def _size(self, memory):
        return self.get(memory).size

    def _pages(self, memory):
        return self.get(memory).pages

    def _grow(self, memory, pages):
        return self.get(memory).grow(pages)

    def _read(self, memory, at, length):
        return bytes(self.get(memory).read(at, length))

    def _byte(self, memory, at):
        return self.get(memory)[at]

    def _write(self, memory, at, data):
        self.get(memory).write(at, data)

    def _length(self, table):
        return len(self.get(table))

    def _entry(self, table, at):
        return self.get(table)[at]

    # The function in a table, kept.
    def _take(self, number, table, at):
        found = self.get(table)[at]
        if found is None:
            return None
        self.handles[number] = found
        return found

    def _set_entry(self, table, at, source):
        self.get(table)[at] = self.value(source)

    def _grow_table(self, table, count, source):
        return self.get(table).grow(count, self.value(source))

    def _value(self, variable):
        return self.get(variable).value

    def _set_value(self, variable, source):
        self.get(variable).value = source if isinstance(source, int) else self.value(source)

    # What an instance says of itself.
    def _ask(self, instance, what):
        instance = self.get(instance)
        if what == "memory_size":
            return instance.memory_size()
        if what == "address":
            return instance.addr_app_to_native(0) != 0
        if what == "valid":
            return instance.validate_app_addr(0, 1)
        if what == "aux":
            return instance.aux_stack_used()
        return instance.module_malloc(16) != 0

    def _used(self, env):
        return self.get(env).stack_used() >= 0

    def _destroy_env(self, env):
        self.get(env).destroy()

    def _deinstantiate(self, instance):
        self.get(instance).deinstantiate()

    def _unload(self, module):
        self.get(module).unload()

    def _snapshot(self):
        from insitu.port.host import telemetry

        return len(telemetry.snapshot(self.runtime)) > 0

    # Over the buffer of the runtime that there is.
    def _second(self):
        Runtime(**self.options)

    # Ends everything; what is in Python's hands stays there, and another runtime is made.
    def _destroy(self):
        old, heap = self.runtime, self.runtime.heap
        for address, _ in self.canaries.values():
            old.free(address)
        self.canaries = {}
        old.destroy()
        self.handles[0] = old
        left = heap.used() if self.empty is None else not self.empty()
        self.envs = []
        self.make_runtime()
        return left

    # Of a runtime that was destroyed.
    def _old(self, what, number):
        old = self.get(0)
        if what == "load":
            old.load(self.addresses[number])
        elif what == "malloc":
            return old.malloc(8) != 0
        elif what == "info":
            old.mem_alloc_info()
        else:
            old.destroy()

    # --- the host's own blocks ---

    def _canary(self, number, size):
        address = self.runtime.malloc(size)
        if not address:
            return "none"
        platform.fill(address, size, _PATTERN)
        self.canaries[number] = address, size

    def _free_canary(self, number):
        if number not in self.canaries:
            raise Absent()
        self.runtime.free(self.canaries.pop(number)[0])

    def broken(self):
        for number in self.canaries:
            address, size = self.canaries[number]
            if platform.count(address, size, _PATTERN) != size:
                return "the canary %d of %d bytes was overwritten" % (number, size)
        try:
            self.runtime.heap.check()
        except Error as error:
            return str(error)
        if self.runtime.busy():
            return "busy after all calls ended"
        self.envs = [env for env in self.envs if env.offset]
        for env in self.envs:
            text = self._check_env(env)
            if text:
                return text
        return ""

    # The words that the exec env was made with lie right below its operand stack.
    def _check_env(self, env):
        base = self.runtime.base
        bottom = env.offset + ENV_SIZE
        head = platform.view(base + env.offset, ENV_SIZE)
        wanted = ((ENV_CELL, self.runtime.cell), (ENV_BOTTOM, bottom), (ENV_TOP, bottom + env.stack_size))
        for field, offset in wanted:
            if struct.unpack_from("<I", head, field)[0] != (base + offset) & 0xFFFFFFFF:
                return "word %d of an exec env was overwritten" % field
        return ""
