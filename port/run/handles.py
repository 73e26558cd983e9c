# What Python gets of an instance: its functions and its memory; shared.py has globals and tables.
from .. import platform
from ..errors import OutOfHeap
from ..platform import start
from ..xip.layout import FLAG_MEMORY_WINDOW, INSTANCE_MEMORY_PAGES
from ..xip.raw import add
from .enter import make_plan


# One of an instance's functions, globals, memories or tables, as Python has it.
class Handle:
    def __init__(self, instance, index=0):
        self.instance = instance
        self.index = index


# Calls with other arguments than small ints, or with wrong ones.
def _checked(function, *args):
    from .checked import start_checked

    return start_checked(function, args)


# A staticmethod is what has nothing but one field, and no behaviour of its own: in it start finds the plan, for every
# instance has that in the same place.
class Function(staticmethod, Handle):
    # env: None: the instance's; without one it can be linked, and called on another
    def __init__(self, instance, index, env=None):
        self.instance = instance
        self.index = index
        self.env = env or instance.exec_env
        self.plan = make_plan(self, _checked, [0] * 8 if self.env is None else self.env.state)
        super().__init__(self.plan)

    __call__ = start

    # The same as a coroutine, which waits for imports that are async: awaited.py.
    def call_async(self, *args, **sizes):
        from .awaited import call_async

        return call_async(self, args, **sizes)

    # "ii:i": letters of TYPE_STRING
    @property
    def type(self):
        return self.instance.module.function_type(self.index)

    @property
    def name(self):
        return self.instance.alive().module.function_name(self.index)

    def call_on(self, env, args):
        function = self if env is self.env else Function(self.instance, self.index, env)
        return function(*args)


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
        from ..store.growth import count_of, grow_memory
        from .lock import locked

        instance = self.instance.alive()
        old = locked(instance.runtime, grow_memory, instance, count_of(pages, "pages"))
        if old < 0:
            raise OutOfHeap("linear memory cannot grow by %d pages: its limit, or the global heap's" % pages)
        return old

    # All of it, as long as it neither grows nor ends.
    def _window(self):
        instance = self.instance.alive()
        if instance.window is None:
            if instance.module.flags() & FLAG_MEMORY_WINDOW:
                from ..store.far import Whole

                instance.window = Whole(instance)
            else:
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
