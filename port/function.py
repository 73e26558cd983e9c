# A function of an instance, as Python calls it.
from .xip.enter import invoke


class Function:
    def __init__(self, instance, index):
        self.instance = instance
        self.index = index

    # "ii:i": letters of TYPE_STRING
    @property
    def type(self):
        return self.instance.module.function_type(self.index)

    @property
    def name(self):
        return self.instance.module.function_name(self.index)

    def __call__(self, *args):
        env = self.instance.exec_env
        if env is None:
            from .errors import Error

            if not self.instance.block:
                raise Error("the instance was destroyed")
            raise Error("the instance was made with stack_size=0: create_exec_env and call through it")
        return invoke(env, self.instance, self.index, args)
