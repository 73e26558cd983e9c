# wasi-threads: a program whose threads are tasks of asyncio, each with an instance of its own on one shared memory.
#
#   w = Wasi(args=("app",))
#   threads = Threads(mod, w.imports(mod), stack_size=4096, wasi=w)
#   code = asyncio.run(threads.start())
#
# A thread goes on until it waits (memory.atomic.wait, an async import, poll_oneoff, sched_yield) or ends. The program
# ends, with all its threads, when its first one returns, or any one exits, traps or raises.
import asyncio

from micropython import const

from ..errors import Error, OutOfHeap
from ..run.awaited import TaskEnv
from ..run.handles import Memory
from ..store.memory import place_memory
from .wasi import NAME, SPAWN, THREADS, Exit

_START = "wasi_thread_start"
_AGAIN = const(-6)  # WASI's EAGAIN
_MOST_THREADS = const(0x1FFFFFFF)


# For an import: a memory that the importing instance makes, and owns.
class Own:
    def make(self, instance):
        from ..store.plan import apart

        place_memory(instance, apart(instance, instance.plan), instance.plan.size, instance.plan.pages)


class Threads:
    # imports: as for instantiate, without the memory and wasi.thread-spawn, functions of Python's; stack_size: bytes of
    # each thread's operand stack; wasi: whose functions are among the imports, or None; slice: as of call_async
    def __init__(self, module, imports=None, stack_size=2048, wasi=None, slice=None):
        self.module = module
        self.stack_size = stack_size
        self.slice = slice
        self.imports = dict(imports or {})
        self.imports[THREADS] = {SPAWN: self._spawn}
        self.last = 0  # thread's number
        self.envs, self.tasks = [], []
        self.ended = self.result = self.error = None
        if wasi is not None:
            self._share_time(wasi)
        self.instance = self._instantiate(Own())
        if wasi is not None:
            wasi.bind(self.instance)

    # What waits, or lets others have a turn, does so in the task.
    def _share_time(self, wasi):
        pauses = []
        wasi.sleep = pauses.append

        async def poll(*arguments):
            result = wasi.answer("poll_oneoff", *arguments)
            left = sum(pauses)
            pauses.clear()
            await asyncio.sleep(left / 1000)
            return result

        async def give_way():
            await asyncio.sleep(0)
            return wasi.answer("sched_yield")

        functions = self.imports[NAME] = dict(self.imports[NAME])
        for name, function in ("poll_oneoff", poll), ("sched_yield", give_way):
            if name in functions:
                functions[name] = function

    # Its start function has run, and the operand stack of that is given back.
    def _instantiate(self, memory):
        given = dict(self.imports)
        given["env"] = dict(given.get("env", {}), memory=memory)
        instance = self.module.instantiate(stack_size=self.stack_size, imports=given)
        instance.exec_env.destroy()
        return instance

    # The import: the new thread's number, or why there is none.
    def _spawn(self, argument):
        if self.last == _MOST_THREADS:
            return _AGAIN
        try:
            instance = self._instantiate(Memory(self.instance))
            self._begin(instance, _START, self.last + 1, argument)
        except (OutOfHeap, MemoryError):
            return _AGAIN
        self.last += 1
        return self.last

    def _begin(self, instance, name, *arguments):
        function = instance.lookup_function(name)
        if function is None:
            raise Error('no exported function "%s"' % name)
        env = TaskEnv(instance, self.stack_size, None, self.slice)
        self.envs.append(env)
        self.tasks = [task for task in self.tasks if not task.done()]
        self.tasks.append(asyncio.create_task(self._run(env, function, arguments)))

    # Whatever a thread ends with that is no return is the program's end, which run raises.
    async def _run(self, env, function, arguments):
        first = env.instance is self.instance
        try:
            result = await env.run(function, arguments)
            if first:
                self.result = result
                self.ended.set()
        except Exception as error:
            self.error = self.error or error
            self.ended.set()
        finally:
            self._release(env)

    def _release(self, env):
        if env in self.envs:
            self.envs.remove(env)
            instance = env.instance
            env.destroy()
            if instance is not self.instance:
                instance.deinstantiate()

    # Calls an export as the first thread; its result.
    async def run(self, name, *arguments):
        self.ended, self.error = asyncio.Event(), None
        self._begin(self.instance, name, *arguments)
        try:
            await self.ended.wait()
        finally:
            await self._end()
        if self.error is not None:
            raise self.error
        return self.result

    # One that was cancelled before it began has given nothing back.
    async def _end(self):
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            try:
                await task
            except asyncio.CancelledError:
                pass
        for env in self.envs[:]:
            self._release(env)

    # Runs a WASI program; its exit code.
    async def start(self):
        try:
            await self.run("_start")
        except Exit as end:
            return end.code
        return 0
