# A function of an instance, as Python calls it.
from ..platform import start
from .enter import go_on, make_plan


class Function:
    def __init__(self, instance, index):
        self.instance = instance
        self.index = index
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
            from ..errors import Error

            self.instance.alive()
            raise Error("the function has no exec env (stack_size=0): create_exec_env and call through it")
        return go_on(env, self, self.plan, args)

    def call_on(self, env, args):
        plan = self.plan
        if env.state is not plan[2]:
            plan = make_plan(self.instance, self.index, self.type, env.state)
        result = start(plan, args)
        return go_on(env, self, plan, args) if result is False else result
