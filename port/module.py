# A loaded image. All of it stays in flash; this holds where.
from . import platform
from .alive import Mortal
from .errors import Error
from .xip.layout import (
    EXPORT_INDEX,
    EXPORT_KIND,
    EXPORT_SIZE,
    FUNCTION_CODE,
    FUNCTION_SIZE,
    FUNCTION_TYPE,
    IMAGE_ENTER,
    IMAGE_EXPORTS,
    IMAGE_FLAGS,
    IMAGE_FUNCTIONS,
    IMAGE_IMPORTS,
    IMAGE_NAMES,
    IMAGE_TYPES,
    IMPORT_INDEX,
    IMPORT_KIND,
    IMPORT_MODULE,
    IMPORT_NAME,
    IMPORT_SIZE,
    KIND_FUNCTION,
    TYPE_SIZE,
    TYPE_STRING,
    TYPE_THUNK,
)
from .xip.raw import find_string, peek, string


class Module(Mortal):
    LIFE = "base"
    GONE = "the module was unloaded"

    # source: what keeps the image where it is, or None
    def __init__(self, runtime, source, base, size):
        self.runtime = runtime
        self.source = source
        self.base = base
        self.size = size
        # where code is fetched from: the image's first byte, and Thumb's bit
        self.code = platform.executable(base) + platform.code_bit()
        self.enter = self.code + peek(base, IMAGE_ENTER)
        self.instances = []

    def word(self, offset):
        return peek(self.base, offset)

    def string(self, offset):
        return string(self.base, self.word(offset))

    def flags(self):
        return self.word(IMAGE_FLAGS)

    # kind and index of an export, None if there is none
    def find_export(self, name):
        self.alive()
        text = name.encode()
        records = self.word(IMAGE_EXPORTS)
        i = find_string(self.base, records, self.word(IMAGE_EXPORTS + 4), EXPORT_SIZE, text, len(text))
        if i < 0:
            return None
        record = records + i * EXPORT_SIZE
        return self.word(record + EXPORT_KIND), self.word(record + EXPORT_INDEX)

    def export_names(self):
        self.alive()
        records, count = self.word(IMAGE_EXPORTS), self.word(IMAGE_EXPORTS + 4)
        return [self.string(records + i * EXPORT_SIZE) for i in range(count)]

    def function_word(self, index, field):
        return self.word(self.word(IMAGE_FUNCTIONS) + index * FUNCTION_SIZE + field)

    def _type_record(self, index):
        return self.word(IMAGE_TYPES) + self.function_word(index, FUNCTION_TYPE) * TYPE_SIZE

    # signature word and type string of each type
    def types(self):
        record = self.word(IMAGE_TYPES)
        for _ in range(self.word(IMAGE_TYPES + 4)):
            yield self.word(record), self.string(record + TYPE_STRING)
            record += TYPE_SIZE

    def function_type(self, index):
        return self.string(self._type_record(index) + TYPE_STRING)

    def function_hash(self, index):
        return self.word(self._type_record(index))

    def thunk(self, index):
        return self.word(self._type_record(index) + TYPE_THUNK)

    def function_name(self, index):
        if index < self.word(IMAGE_NAMES + 4):
            name = self.word(IMAGE_NAMES) + 4 * index
            if self.word(name):
                return self.string(name)
        return "function %d" % index

    # index of the function whose code is there, None: the null function
    def function_at(self, code):
        records = self.word(IMAGE_FUNCTIONS)
        for i in range(self.word(IMAGE_FUNCTIONS + 4)):
            if self.word(records + i * FUNCTION_SIZE + FUNCTION_CODE) == code:
                return i

    def imported(self, kind):
        return sum([1 for record in self.import_records() if self.word(record + IMPORT_KIND) == kind])

    def import_records(self):
        records, count = self.word(IMAGE_IMPORTS), self.word(IMAGE_IMPORTS + 4)
        return range(records, records + count * IMPORT_SIZE, IMPORT_SIZE)

    def import_name(self, index, kind=KIND_FUNCTION):
        for record in self.import_records():
            if self.word(record + IMPORT_KIND) == kind and self.word(record + IMPORT_INDEX) == index:
                return self.string(record + IMPORT_MODULE) + "." + self.string(record + IMPORT_NAME)

    # stack_size: of the exec env that is made with it, 0: none. heap_size: of the app heap; a module that exports
    # an allocator gets none. initial_memory, max_memory: pages. memory: a bytearray or (address, size) for the
    # linear memory instead of the global heap.
    def instantiate(
        self, stack_size=2048, heap_size=0, imports=None, initial_memory=None, max_memory=None, memory=None
    ):
        from . import link
        from .instance import Instance
        from .store import plan, segments

        self.alive()
        if heap_size:
            from .host.app_heap import exports_allocator

            if exports_allocator(self):
                heap_size = 0
        try:
            planned = plan.plan_memory(self, heap_size, initial_memory, max_memory, memory)
            return Instance(self, stack_size, imports or {}, planned)
        finally:
            for module in link, plan, segments:
                platform.forget_module(module)

    def unload(self):
        if not self.base:
            return
        self.runtime.idle("unload")
        if self.instances:
            raise Error("%d instances of the module are in use: deinstantiate them" % len(self.instances))
        self.runtime.modules.remove(self)
        self.base = 0
        self.source = None
