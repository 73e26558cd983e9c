"""Device code that prints the calls that modules make of their imports."""

from __future__ import annotations

from insitu.image.read import Image
from insitu.port.host.wasi import NAME as WASI

# An exception is told by who catches it. Another module's function is called by way of Python, so that Python sees it:
# on the operand stack of its own instance, and not where Python's floats would lose bits of its f64.
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
_insitu_single = float("1e300") == float("inf")
def _insitu_between(name, value, letters):
    if not letters or value is None:
        return value
    if "F" in letters and _insitu_single:
        print("trace:", name, "is not traced: this firmware's floats have fewer bits than its", letters)
        return value
    return _insitu_told(name, value)
def _insitu_traced(bound, imported):
    made = dict(bound)
    for module, names in bound.items():
        if isinstance(names, dict):
            made[module] = {name: _insitu_told_or_not(module + "." + name, names[name]) for name in names}
    for module, name, letters in imported:
        names = bound.get(module)
        if hasattr(names, "lookup"):
            if not isinstance(made[module], dict):
                made[module] = {}
            made[module][name] = _insitu_between(module + "." + name, names.lookup(name), letters)
    return made
"""


def traced(image: Image) -> str:
    """Code: what an image's instance is given as imports, with what prints."""
    imported = [
        (module, name, t if kind == "func" else "") for module, name, kind, t in image.imports if module != WASI
    ]
    return f"_insitu_traced(bound, {imported!r})"
