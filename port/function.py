# A function of an instance, as Python calls it.
from .platform import start
from .xip.enter import go_on, make_plan, result_word, results

_NO_STATE = bytearray(20)


class Function:
    def __init__(self, instance, index):
        self.instance = instance
        self.index = index
        # "ii:i": letters of TYPE_STRING
        self.type = instance.module.function_type(index)
        # what the result needs: 0 nothing, 1 a word to be read, 2 more
        self.result = ("", "i", self.type[self.type.find(":") + 1 :]).index(self.type[self.type.find(":") + 1 :])
        self.plan = make_plan(instance.module, index, self.type)
        env = instance.exec_env
        self.state = _NO_STATE if env is None else env.state

    @property
    def name(self):
        return self.instance.module.function_name(self.index)

    def __call__(self, *args):
        request = start(self.state, self.plan, args)
        if request:
            self._more(request, args)
        if self.result == 1:
            return result_word(self.state)
        return results(self) if self.result else None

    def _more(self, request, args):
        env = self.instance.exec_env
        if env is None or env.state is not self.state:
            from .errors import Error

            if not self.instance.block:
                raise Error("the instance was destroyed")
            raise Error("the function has no exec env (stack_size=0): create_exec_env and call through it")
        go_on(env, self, request, args)

    def call_on(self, env, args):
        request = start(env.state, self.plan, args)
        if request:
            go_on(env, self, request, args)
        return results(self)
