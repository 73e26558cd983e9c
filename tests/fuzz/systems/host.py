# Host functions whose bodies are data, the same on insitu and under wasmtime. Runs under MicroPython, too.
#
# A host function: (name, parameters, results, actions, returns). An action: a method's name and its arguments:
#   ("call", instance, export, sources, catch)    ("tcall", instance, table, index, sources, catch)
#   ("grow", instance, memory, pages)             ("write", instance, memory, address, bytes)
#   ("read", instance, memory, address, length)   ("tget", instance, table, index)
#   ("tset", instance, table, index, source)      ("tgrow", instance, table, count, source)
#   ("gget", instance, name)                      ("gset", instance, name, source)
#   ("raise",)   ("load", module)   ("canary", bytes)
# A source of a value: ("c", number), ("b", letter, bits of a float), ("a", parameter), ("n",) null, ("x", number of
# an extern), ("f", instance, export) a function, ("r",) what tget gave last.
# What a world (device.py, oracle.py) does for them: the methods call, grow, write, ..., which raise Refused where
# the other side must refuse, too. Everything that is seen goes into the trace.

DEPTH = 6  # host functions inside each other: more than a board's own stack has room for


# Python's own exception, out of a host function.
class Raised(Exception):
    pass


# What cannot be done here or there: no such entry, not so many pages.
class Refused(Exception):
    pass


class Extern:
    def __init__(self, number):
        self.number = number


class Host:
    def __init__(self, world, functions):
        self.world = world
        self.functions = functions
        self.externs = {}
        self.trace = []
        self.fuel = 0
        self.depth = 0
        self.most = DEPTH

    # What a module imports by that number.
    def function(self, number):
        def run(*args):
            return self._run(number, args)

        return run

    def extern(self, number):
        if number not in self.externs:
            self.externs[number] = Extern(number)
        return self.externs[number]

    def _run(self, number, args):
        name, params, results, actions, returns = self.functions[number]
        self.trace.append([name] + [self.world.show(params[i], args[i]) for i in range(len(params))])
        register = [None]
        if self.fuel > 0 and self.depth < self.most:
            self.fuel -= 1
            self.depth += 1
            try:
                for action in actions:
                    self.act(action, args, register)
            finally:
                self.depth -= 1
        values = [self.value(source, args, register) for source in returns]
        return tuple(values) if len(values) > 1 else values[0] if values else None

    # One action; also what a step of a script does outside of any call.
    def act(self, action, args=(), register=None):
        register = register or [None]
        try:
            seen = getattr(self, "_" + action[0])(args, register, *action[1:])
        except Refused:
            seen = "refused"
        self.trace.append([action[0], seen])

    def value(self, source, args, register):
        kind = source[0]
        if kind == "c":
            return source[1]
        if kind == "a":
            return args[source[1]]
        if kind == "n":
            return None
        if kind == "x":
            return self.extern(source[1])
        if kind == "f":
            return self.world.export(source[1], source[2])
        if kind == "b":
            return self.world.float(source[1], source[2])
        return register[0]

    def _values(self, sources, args, register):
        return [self.value(source, args, register) for source in sources]

    def _caught(self, call, catch, values):
        try:
            return call(values)
        except self.world.TRAP as error:
            text = self.world.trap_text(error)
            if not catch:
                raise
            return text
        except Raised:
            if not catch:
                raise
            return "raised"

    def _call(self, args, register, instance, name, sources, catch):
        function = self.world.export(instance, name)
        if function is None:
            return "absent"
        values = self._values(sources, args, register)
        return self._caught(lambda values: self.world.call(function, values), catch, values)

    def _tcall(self, args, register, instance, table, index, sources, catch):
        function = self.world.tget(instance, table, index)
        if function is None:
            return "null"
        values = self._values(sources, args, register)
        return self._caught(lambda values: self.world.call(function, values), catch, values)

    def _grow(self, args, register, *rest):
        return self.world.grow(*rest)

    def _write(self, args, register, *rest):
        return self.world.write(*rest)

    def _read(self, args, register, *rest):
        return self.world.read(*rest)

    def _tget(self, args, register, instance, table, index):
        register[0] = self.world.tget(instance, table, index)
        return "null" if register[0] is None else "reference"

    def _tset(self, args, register, instance, table, index, source):
        return self.world.tset(instance, table, index, self.value(source, args, register))

    def _tgrow(self, args, register, instance, table, count, source):
        return self.world.tgrow(instance, table, count, self.value(source, args, register))

    def _gget(self, args, register, instance, name):
        return self.world.gget(instance, name)

    def _gset(self, args, register, instance, name, source):
        return self.world.gset(instance, name, self.value(source, args, register))

    def _load(self, args, register, module):
        return self.world.load(module)

    def _canary(self, args, register, size):
        return self.world.canary(size)

    def _raise(self, args, register):
        raise Raised("by a host function")


# A system's script, and what its host functions see; device.py and oracle.py say how each thing is done.
class World:
    # functions: host functions; constants: [(name, letter, source)] of globals that the host provides
    def __init__(self, functions, constants, count):
        self.host = Host(self, functions)
        self.constants = constants
        self.instances = [None] * count
        self.overflowed = False

    # (what came of it, what host functions saw)
    def step(self, command, *args):
        self.host.trace = []
        self.host.depth = 0
        try:
            outcome = getattr(self, "_" + command)(*args)
        except self.TRAP as error:
            outcome = self.trap_text(error)
        except Raised:
            outcome = "raised"
        except Exception as error:  # only what the world knows for an error of the system's
            outcome = self.failure(error)
        return outcome, self.host.trace

    def host_imports(self):
        functions = self.host.functions
        found = {functions[i][0]: self.function(i) for i in range(len(functions))}
        for name, letter, source in self.constants:
            found[name] = self.constant(letter, self.host.value(source, (), None))
        return found

    def function(self, number):
        return self.host.function(number)

    def _call(self, fuel, k, name, sources):
        function = self.export(k, name)
        if function is None:
            return "absent"
        self._set_fuel(fuel)
        return self.call(function, [self.host.value(source, (), None) for source in sources])

    # An action outside of any call.
    def _do(self, fuel, action):
        self._set_fuel(fuel)
        self.host.act(action)
        return "done"

    # Of host functions, and of each module: how many of its functions may be entered until the next step.
    def _set_fuel(self, fuel):
        self.host.fuel = fuel
        for k in range(len(self.instances)):
            variable = self.export(k, "fuel")
            if variable is not None:
                self.refuel(variable, fuel)
