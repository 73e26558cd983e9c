# What insitu.threads needs of asyncio, for firmware that has neither it nor a clock. Runs on the board. A task goes on
# when its turn is chosen: from the front of those that are ready, or, with a seed, from anywhere.
class CancelledError(BaseException):
    pass


class TimeoutError(Exception):
    pass


_ready = []
_current = None
_seed = 0


def choose(seed):
    global _seed
    _seed = seed


def _next():
    global _seed
    if not _seed:
        return _ready.pop(0)
    _seed = (_seed * 1103515245 + 12345) & 0x3FFFFFFF
    return _ready.pop((_seed >> 8) % len(_ready))


class Task:
    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.error = None
        self.over = self.started = False
        self.waiting = Event()

    def done(self):
        return self.over

    def cancel(self):
        if not self.over:
            self.error = CancelledError()
            if self not in _ready:
                _ready.append(self)

    def step(self):
        global _current
        if self.over:
            return
        _current = self
        error, self.error = self.error, None
        try:
            if error is None:
                self.coroutine.send(None)
            else:
                self.coroutine.throw(error)
        except StopIteration:
            self.over = True
        except BaseException as raised:
            self.over, self.error = True, raised
        if self.over:
            self.waiting.set()

    def __iter__(self):
        yield from self.waiting.wait()
        if self.error is not None:
            raise self.error

    __await__ = __iter__


class Event:
    def __init__(self):
        self.tasks = []
        self.state = False

    def is_set(self):
        return self.state

    def set(self):
        self.state = True
        _ready.extend([task for task in self.tasks if task not in _ready])
        self.tasks = []

    def wait(self):
        while not self.state:
            self.tasks.append(_current)
            yield
        return True


def create_task(coroutine):
    _ready.append(Task(coroutine))
    return _ready[-1]


def sleep(_):
    _ready.append(_current)
    yield


def run(coroutine):
    task, results = None, []

    async def main():
        results.append(await coroutine)

    task = create_task(main())
    while not task.over:
        _next().step()
    if task.error is not None:
        raise task.error
    return results[0]
