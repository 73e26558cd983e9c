# insitu: WebAssembly modules, compiled on the host, executed in place from flash.
#
# On the host only: a device's package has instead of this file all that runtime and instance import, see
# host_tools/insitu/package/join.py. The host imports xip.layout from here without a device: what needs one is imported
# when asked for.
import importlib

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
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(name)
