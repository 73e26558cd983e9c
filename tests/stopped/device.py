"""On the device: calls that are stopped again and again, and what is there after each."""

import insitu

ENDLESS = (("forever", ()), ("fib", (60,)), ("nest", (-1, 3)), ("notes", (-1,)))
FUEL = 28  # INSTANCE_FUEL


class Stopped:
    """An instance of module.py's module at an address; heap: what Runtime takes; turns: most until it polls first."""

    def __init__(self, address, heap, seed, turns):
        self.runtime, self.turns = insitu.Runtime(heap), turns
        self.left, self.seed = 0, seed
        imports = {"env": {"note": self.note}}
        self.instance = self.runtime.load(address).instantiate(stack_size=4096, imports=imports)
        self.env = self.instance.exec_env
        self.used = self.runtime.heap.used()

    def note(self, _):
        self.left -= 1
        if not self.left:
            self.env.terminate()

    def random(self, most):
        self.seed = (self.seed * 1103515245 + 12345) & 0x7FFFFFFF  # C's rand() of ISO/IEC 9899, 7.22.2
        return (self.seed >> 8) % most

    def whole(self):
        """Whether all is as it was before, and calls are what they are."""
        runtime, env = self.runtime, self.env
        runtime.heap.check()
        assert runtime.heap.used() == self.used, "bytes of the global heap are gone"
        assert env.busy == 0 and runtime.stopped == 0 and not runtime.lock[0], "something still runs"
        assert env.call("fib", 10) == 55, "another result"

    # --- the ways: each ends one call ---

    def by_fuel(self, name, arguments):
        from insitu.limits import OutOfFuel

        again = self.random(3)
        try:
            self.env.call(name, *arguments, fuel=self.random(self.most(name)))
        except OutOfFuel as error:
            stopped = error
        for _ in range(again):
            try:
                stopped.go_on(1 + self.random(self.most(name)))
            except OutOfFuel as error:
                stopped = error
        return stopped

    def by_an_import(self, name, arguments):
        self.left = 1 + self.random(200)
        error = self.trapped("notes", (-1,), self.random(300))
        assert self.left == 0, "not at the next turn"
        return error

    def from_outside(self, name, arguments):
        """terminate() has been called; the code comes to see it after any number of turns."""
        self.env.terminate()
        return self.trapped(name, arguments, self.random(self.most(name)))

    def by_a_timer(self, name, arguments):
        from machine import Timer

        # kept: one that is collected never fires
        self.timer = Timer(period=1 + self.random(5), mode=Timer.ONE_SHOT, callback=lambda _: self.env.terminate())
        return self.trapped(name, arguments, 0)

    def by_time(self, name, arguments):
        try:
            self.env.call(name, *arguments, timeout_ms=self.random(5))
        except insitu.Trap as error:
            return error

    def most(self, name):
        return 300 if name == "notes" else self.turns

    def trapped(self, name, arguments, turns):
        """turns: until it polls the first time."""
        self.instance.put(FUEL, turns)
        try:
            self.instance.lookup_function(name)(*arguments)
        except insitu.Trap as error:
            return error


def stops(stopped, way, count):
    """So many; what was said of the last one."""
    for _ in range(count):
        name, arguments = ENDLESS[stopped.random(3 if way in ("by_a_timer", "by_time") else 4)]
        error = getattr(stopped, way)(name, arguments)
        assert " in function " in str(error), error
        stopped.whole()
    return str(error)
