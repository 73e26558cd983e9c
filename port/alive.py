# A handle may outlive what it stands for: what Python does with one begins here. Functions, globals, tables and
# memories ask their instance.
from .errors import Error

# The runtime that was made last, while it is there: what telemetry and updates speak of unless told otherwise.
latest = [None]


class Mortal:
    # LIFE: the attribute that is 0 or None when it is gone; GONE: what is said then
    def alive(self):
        if not getattr(self, self.LIFE):
            raise Error(self.GONE)
        return self
