# Whether code is inside of a module's own allocator, which must not be entered a second time. Imported when the host
# wants memory of a module while a call into compiled code has not ended.
from ..errors import Error
from ..xip.layout import (
    ENV_SP,
    FUNCTION_CODE,
    FUNCTION_SIZE,
    IMAGE_CODE_OFFSET,
    IMAGE_FUNCTIONS,
    IMAGE_TYPES,
    TYPE_SIZE,
    TYPE_THUNK,
)
from ..xip.raw import peek, peek_offset
from ..xip.scan import nearest_below

# Of C's library, of dlmalloc within it, of AssemblyScript's runtime.
NAMES = (
    "malloc",
    "free",
    "calloc",
    "realloc",
    "aligned_alloc",
    "memalign",
    "posix_memalign",
    "dlmalloc",
    "dlfree",
    "dlcalloc",
    "dlrealloc",
    "dlmemalign",
    "internal_memalign",
    "__new",
    "__renew",
    "__pin",
    "__unpin",
    "__retain",
    "__release",
    "__collect",
)


# A word on the operand stack of a call that has left is an address in a function of that name: where it returns to. The
# compiler makes calls of them, whatever else it inlines. What lies there unused may be one, and is refused then, too.
def check(instance):
    runtime, module = instance.runtime, instance.module
    for other in runtime.instances:
        for env in other.exec_envs if other is not None else ():
            if env.busy:
                sp = peek_offset(runtime.base, env.offset + ENV_SP)
                for at in range(sp, env.top(), 4):
                    name = _allocator(module, peek(runtime.base, at))
                    if name:
                        raise Error(
                            "a call into compiled code is inside of the module's own %s, which cannot be entered a "
                            "second time: ask for memory when that has ended" % name
                        )


# The function that an address is in, behind its start, if it is one of NAMES. Thunks lie among functions.
def _allocator(module, word):
    offset = word - module.code
    start = module.word(IMAGE_CODE_OFFSET)
    if not start < offset < start + module.word(IMAGE_CODE_OFFSET + 4) or offset & 1:
        return None
    index = _nearest(module, IMAGE_FUNCTIONS, FUNCTION_CODE, FUNCTION_SIZE, offset)
    thunk = _nearest(module, IMAGE_TYPES, TYPE_THUNK, TYPE_SIZE, offset)
    if index < 0:
        return None
    code = module.function_word(index, FUNCTION_CODE)
    if code == offset or thunk >= 0 and module.word(module.word(IMAGE_TYPES) + thunk * TYPE_SIZE + TYPE_THUNK) > code:
        return None
    name = module.function_name(index)
    return name if name in NAMES else None


def _nearest(module, records, field, size, offset):
    return nearest_below(module.base, module.word(records) + field, module.word(records + 4), size, offset)
