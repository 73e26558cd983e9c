# insitu: WebAssembly modules, compiled on the host, executed in place from flash.
#
# The host imports xip.layout from here without a device: what needs one is imported when asked for. On a device, too,
# where the package comes file by file; else it is joined, and all of this is there (host_tools/insitu/package/join.py).

# What a program finds in insitu itself.
PUBLIC = {
    "runtime": (
        "Runtime",
        "runtime_init",
        "runtime_full_init",
        "ALLOC_WITH_POOL",
        "ALLOC_WITH_ALLOCATOR",
        "ALLOC_WITH_SYSTEM_ALLOCATOR",
    ),
    "errors": ("Error", "HeapError", "LinkError", "LoadError", "OutOfHeap", "Trap"),
}


def __getattr__(name):
    for module, names in PUBLIC.items():
        if name in names:
            return getattr(__import__(__name__ + "." + module, None, None, (name,)), name)
    # MicroPython asks here for submodules, too, before it looks for their files
    try:
        return __import__(__name__ + "." + name, None, None, (name,))
    except ImportError:
        raise AttributeError(name)
