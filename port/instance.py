# A module instance: one block of the global heap holds its globals, import slots, tables and, where it cannot
# grow, its linear memory. `pointer` is the instance pointer of compiled code, from the heap's base.
from . import platform
from .alive import Mortal
from .errors import Error
from .run.exec_env import ExecEnv
from .run.handles import Function, Memory
from .store.table import forget, holders, make, tables_apart
from .store.variables import global_offset
from .xip.layout import (
    FLAG_MEMORY,
    FLAG_MEMORY_WINDOW,
    GLOBAL_INIT,
    GLOBAL_SIZE,
    IMAGE_ARG_SLOTS,
    IMAGE_ARGS,
    IMAGE_AUX_STACK_BOTTOM,
    IMAGE_AUX_STACK_SIZE,
    IMAGE_GLOBALS,
    IMAGE_INSTANCE_SIZE,
    IMAGE_MEMORY_SLACK,
    IMAGE_START_FUNCTION,
    IMAGE_TABLES,
    INSTANCE_AUX_BOTTOM,
    INSTANCE_ID,
    INSTANCE_IMAGE,
    INSTANCE_MEMORY_BASE,
    INSTANCE_MEMORY_SIZE,
    INSTANCE_RUNTIME,
    KIND_FUNCTION,
    KIND_GLOBAL,
    KIND_MEMORY,
    NONE,
)
from .xip.raw import add, peek, peek_offset, poke, poke_address


# What was asked for stays here until the instance ends, so that it costs no memory to ask again.
class Exports:
    def __init__(self, instance):
        self._instance = instance

    def __getattr__(self, name):
        found = self._instance.lookup(name)
        if found is None:
            raise AttributeError(
                'no export "%s"; there are: %s' % (name, ", ".join(self._instance.module.export_names()))
            )
        setattr(self, name, found)
        return found


class Instance(Mortal):
    LIFE = "block"
    GONE = "the instance was destroyed"

    def __init__(self, module, stack_size, imports, plan):
        from .link import find

        runtime = module.runtime
        imports = find(module, imports, self)
        module.alive()  # what was asked for imports is the program's
        self.plan = plan  # of the linear memory
        self.app_heap = None
        self.runtime = runtime
        self.module = module
        # offsets of blocks in the heap, 0: none
        self.block = self.memory_block = 0
        self.owned = ()  # what imports of constants are kept in
        # by function index: kind and Python function, with its type where the kind is OTHER; None: linked
        self.imports = ()
        self.slots = None  # the args area
        self.window = None  # linear memory, once Python has asked for it, until it grows
        self.providers = ()  # instances whose things this one was given
        self.given = False  # whether Python gave a function of it to compiled code
        self.tables = ()  # (instance, index) of imported tables' owners
        self.memory_owner = self
        self.dropped = 0  # bit 2 * i: data segment i, bit 2 * i + 1: element segment i
        self.exec_env = None
        self.exec_envs = []
        self.exports = Exports(self)
        self.id = len(runtime.instances)
        if None in runtime.instances:
            self.id = runtime.instances.index(None)
            runtime.instances[self.id] = self
        else:
            runtime.instances.append(self)
        module.instances.append(self)
        try:
            self._make(stack_size, imports)
        except BaseException:
            # what is in another instance's table or global stays callable, as the standard wants
            if not (self.block and any([True for _ in holders(self)])):
                self._discard()
            raise

    def _make(self, stack_size, imports):
        from .link import resolve
        from .store.segments import init_data, init_elements

        runtime, module = self.runtime, self.module
        start = module.word(IMAGE_START_FUNCTION)
        # before anything is put into the tables of others
        if start != NONE and not stack_size:
            raise Error("the module has a start function: instantiate it with a stack_size")
        size, plan = module.word(IMAGE_INSTANCE_SIZE), self.plan
        whole = size + (plan.size if plan.fixed else 0) + module.word(IMAGE_MEMORY_SLACK)
        block = plan.place(runtime, whole, "the instance") if plan.fixed else runtime.alloc(whole, "the instance")
        self.pointer = block + size
        platform.fill(add(runtime.base, block), whole, 0)
        self.block = block
        args = add(runtime.base, self.pointer - module.word(IMAGE_ARGS))
        self.slots = platform.view(args, 8 * module.word(IMAGE_ARG_SLOTS))
        self.put_address(INSTANCE_RUNTIME, runtime.base, runtime.cell)
        self.put_address(INSTANCE_IMAGE, module.base, 0)
        self.put(INSTANCE_ID, self.id)
        self.put(INSTANCE_AUX_BOTTOM, module.word(IMAGE_AUX_STACK_BOTTOM))
        if module.flags() & FLAG_MEMORY:
            from .store.plan import allocate_memory

            allocate_memory(self, plan)
            if plan.heap_size:
                from .host.app_heap import AppHeap

                self.app_heap = AppHeap(Memory(self), plan.heap_start, plan.heap_size)
        resolve(self, imports)
        self._init_globals()
        for i in range(len(self.tables), module.word(IMAGE_TABLES + 4)):
            make(self, i)
        if stack_size:
            self.exec_env = self.create_exec_env(stack_size)
        init_elements(self)
        init_data(self)
        if start != NONE:
            Function(self, start)()

    def _init_globals(self):
        from .store.segments import evaluate

        module = self.module
        record = module.word(IMAGE_GLOBALS)
        for i in range(module.word(IMAGE_GLOBALS + 4)):
            if i >= module.imported(KIND_GLOBAL):
                low, high = evaluate(self, record + GLOBAL_INIT)
                at = global_offset(self, i)
                poke(self.runtime.base, at, low)
                poke(self.runtime.base, at + 4, high)
            record += GLOBAL_SIZE

    # --- words of the block, by distance below the instance pointer ---

    def get(self, distance):
        return peek(self.runtime.base, self.pointer - distance)

    def put(self, distance, value):
        poke(self.runtime.base, self.pointer - distance, value)

    def put_address(self, distance, base, offset):
        poke_address(self.runtime.base, self.pointer - distance, base, offset)

    # A result of an import that is not a small int.
    def odd_result(self, index, result):
        from .run.imports import put, result_words

        put(self, result_words(self, index, result))

    # Methods that few programs use are loaded when they are.
    def __getattr__(self, name):
        if name[:7] == "module_":
            from .host.app_heap import ModuleHeap as methods
        elif "addr" in name:
            from .host.addresses import Addresses as methods
        else:
            raise AttributeError(name)
        method = getattr(methods, name)
        return lambda *arguments: method(self, *arguments)

    # --- exports ---

    def lookup(self, name):
        found = self.alive().module.find_export(name)
        if found is None:
            return None
        kind, index = found
        if kind == KIND_FUNCTION:
            return Function(self, index)
        if kind == KIND_MEMORY:
            return Memory(self)
        from .run.shared import Global, Table

        return (Global if kind == KIND_GLOBAL else Table)(self, index)

    # None if there is no such function
    def lookup_function(self, name):
        found = self.alive().module.find_export(name)
        if found is not None and found[0] == KIND_FUNCTION:
            return Function(self, found[1])

    # --- memory ---

    @property
    def memory(self):
        return Memory(self) if self.alive().module.flags() & FLAG_MEMORY else None

    def memory_size(self):
        return self.alive().get(INSTANCE_MEMORY_SIZE)

    # The linear memory's place, from the heap's base.
    def memory_offset(self):
        return peek_offset(self.runtime.base, self.alive().pointer - INSTANCE_MEMORY_BASE)

    # bottom, size of the aux stack in linear memory; size 0: none known
    def aux_stack(self):
        return self.alive().module.word(IMAGE_AUX_STACK_BOTTOM), self.module.word(IMAGE_AUX_STACK_SIZE)

    # Linear memory begins as zeros: the lowest byte that is not is as deep as the stack went.
    def aux_stack_used(self):
        bottom, size = self.aux_stack()
        if bottom + size > self.memory_size():
            return 0
        if self.module.flags() & FLAG_MEMORY_WINDOW:
            from .store.far import from_first

            return from_first(self, bottom, size)
        at = add(self.runtime.base, self.memory_offset() + bottom)
        return size - platform.count(at, size, 0)

    # --- exec envs ---

    def create_exec_env(self, stack_size=2048):
        return ExecEnv(self, stack_size)

    # --- the end ---

    # Again where it was interrupted.
    def deinstantiate(self):
        if self not in self.module.instances:
            return
        for other in self.runtime.present():
            if other is not self and (self in other.providers or self is other.memory_owner):
                raise Error("another instance imports from this one: deinstantiate that first")
        if self._may_run():
            raise Error("the instance is running, or code that is may hold a function of it")
        self._discard()

    # What has linked it, or was given a function of it, has frames on any operand stack.
    def _may_run(self):
        if self.providers or self.given:
            return self.runtime.busy()
        return any([env.busy for env in self.exec_envs])

    def _discard(self):
        forget(self)
        self.release()
        if self in self.runtime.instances:
            self.runtime.instances[self.id] = None
        while self.runtime.instances and self.runtime.instances[-1] is None:
            self.runtime.instances.pop()
        self.module.instances.remove(self)
        self.runtime.release_references()

    # Gives all blocks back.
    def release(self):
        for env in self.exec_envs[:]:
            env.destroy()
        self.exec_env = None
        blocks, own = list(self.owned), self.plan.region is None
        if self.memory_block and own:
            blocks.append(self.memory_block)
        if self.block:
            blocks += tables_apart(self)
            if own or not self.plan.fixed:
                blocks.append(self.block)
        # whatever interrupts this, nothing that is free is in use
        self.block = self.memory_block = 0
        self.owned = ()
        self.slots = self.window = None
        for name in list(self.exports.__dict__):
            delattr(self.exports, name)
        self.exports.__init__(self)
        self.providers = self.tables = ()
        for offset in blocks:
            self.runtime.heap.free(offset)
