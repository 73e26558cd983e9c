# The lock of what compiled code and its callers rely on (enter.py), for Python's changes of it. Imported at the first.
import micropython

from .enter import refuse


# function(*args) under the lock.
@micropython.native
def locked(runtime, function, *args):
    if runtime.lock[0]:
        refuse()
    runtime.lock[0] = 1
    try:
        return function(*args)
    finally:
        runtime.lock[0] = 0
