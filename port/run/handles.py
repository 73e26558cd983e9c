# What Python gets of an instance: its functions and its memory; shared.py has globals and tables.
from .. import platform
from ..errors import Error, OutOfHeap
from ..platform import start
from ..xip.layout import INSTANCE_MEMORY_PAGES
from ..xip.raw import add
from .enter import go_on, make_plan
from .values import count_of


# One of an instance's functions, globals, memories or tables, as Python has it.
class Handle:
    def __init__(self, instance, index=0):
        self.instance = instance
        self.index = index


class Function(Handle):
    def __init__(self, instance, index):
        super().__init__(instance, index)
        # "ii:i": letters of TYPE_STRING
        self.type = instance.module.function_type(index)
        env = instance.exec_env
        # without an exec env it can be linked, and called on another
        self.plan = make_plan(instance, index, self.type, [0] * 6 if env is None else env.state)

    @property
    def name(self):
        return self.instance.alive().module.function_name(self.index)

    def __call__(self, *args):
        result = start(self.plan, args)
        if result is False:
            return self._more(args)
        return result

    def _more(self, args):
        env = self.instance.exec_env
        if env is None or env.state is not self.plan[2]:
            self.instance.alive()
            raise Error("the function has no exec env (stack_size=0): create_exec_env and call through it")
        return go_on(env, self, self.plan, args)

    def call_on(self, env, args):
        plan = self.plan
        if env.state is not plan[2]:
            plan = make_plan(self.instance, self.index, self.type, env.state)
        result = start(plan, args)
        return go_on(env, self, plan, args) if result is False else result


class Memory(Handle):
    @property
    def size(self):
        return self.instance.memory_size()

    @property
    def pages(self):
        return self.instance.alive().get(INSTANCE_MEMORY_PAGES)

    def __len__(self):
        return self.size

    # Pages before.
    def grow(self, pages):
        from ..store.growth import grow_memory

        old = grow_memory(self.instance.alive(), count_of(pages, "pages"))
        if old < 0:
            raise OutOfHeap("linear memory cannot grow by %d pages: its limit, or the global heap's" % pages)
        return old

    # All of it, as long as it neither grows nor ends.
    def _window(self):
        instance = self.instance.alive()
        if instance.window is None:
            at = add(instance.runtime.base, instance.memory_offset())
            instance.window = memoryview(platform.view(at, self.size))
        return instance.window

    # The bytes where they are; not to be kept over anything that may grow memory, or end the instance.
    def view(self, start, length):
        window = self._window()
        if start < 0 or length < 0 or start + length > len(window):
            raise IndexError("%d bytes at %d: linear memory has %d" % (length, start, len(window)))
        return window[start : start + length]

    def read(self, start, length):
        return bytes(self.view(start, length))

    def write(self, start, data):
        self.view(start, len(data))[:] = data

    def __getitem__(self, key):
        if isinstance(key, int):
            return self._holding(key)[key]
        return bytes(self._part(key))

    def __setitem__(self, key, value):
        if isinstance(key, int):
            self._holding(key)[key] = value
            return
        part = self._part(key)
        if len(part) != len(value):
            raise ValueError("%d bytes assigned to %d of linear memory" % (len(value), len(part)))
        part[:] = value

    def _holding(self, at):
        window = self._window()
        if not 0 <= at < len(window):
            raise IndexError("a byte at %d: linear memory has %d" % (at, len(window)))
        return window

    def _part(self, key):
        if key.step not in (None, 1):
            raise ValueError("linear memory has no steps other than 1")
        start = key.start or 0
        return self.view(start, (self.size if key.stop is None else key.stop) - start)
