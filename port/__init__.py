# insitu: WebAssembly modules, compiled on the host, executed in place from flash.
# The host imports xip.layout from here without a device: what needs one is imported when asked for.


def __getattr__(name):
    if name == "Runtime" or name in ("runtime_init", "runtime_full_init") or name[:6] == "ALLOC_":
        from . import runtime

        found = getattr(runtime, name)
    elif name in ("Error", "LinkError", "LoadError", "OutOfHeap", "Trap"):
        from . import errors

        found = getattr(errors, name)
    else:
        # MicroPython asks here for submodules, too, before it looks for their files
        try:
            found = __import__(__name__ + "." + name, None, None, (name,))
        except ImportError:
            raise AttributeError(name)
    globals()[name] = found
    return found
