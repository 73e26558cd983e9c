"""Device code that prints the calls that a module makes of its imports."""

# What Python does not see is called as it was: other modules' functions. An exception is told by who catches it.
TRACED = """
from insitu.handles import Handle as _insitu_Handle
def _insitu_told(name, function):
    def told(*arguments):
        print("trace:", name, arguments)
        result = function(*arguments)
        print("trace:", name, "gave", result)
        return result
    return told
def _insitu_told_or_not(name, value):
    return _insitu_told(name, value) if callable(value) and not isinstance(value, _insitu_Handle) else value
def _insitu_traced(bound):
    made = dict(bound)
    for module, names in bound.items():
        if isinstance(names, dict):
            made[module] = {name: _insitu_told_or_not(module + "." + name, names[name]) for name in names}
    return made
"""
