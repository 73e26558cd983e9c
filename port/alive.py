# A handle may outlive what it stands for: what Python does with one begins here. Functions, globals, tables and
# memories ask their instance.
from .errors import Error


class Mortal:
    # LIFE: the attribute that is 0 or None when it is gone; GONE: what is said then
    def alive(self):
        if not getattr(self, self.LIFE):
            raise Error(self.GONE)
        return self
