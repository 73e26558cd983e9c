"""The MicroPython module that `insitu bind` writes. Its doc strings take no RAM on a device: MicroPython drops them."""

from __future__ import annotations

from dataclasses import dataclass

from insitu.bind.interface import Function, Interface, Parameter

START = "Load the image at source and instantiate it, in a pool heap: one of HEAP bytes unless given."
STOP = "Give back everything that start took."
# Names that the module has, and those that its functions use.
RESERVED = (
    "ADDRESS",
    "HEAP",
    "STACK",
    "APP_HEAP",
    "instance",
    "insitu",
    "start",
    "stop",
    "source",
    "heap",
    "wasi",
    "imports",
)
USED = ("instance", "insitu", "len", "str")

_STOP = f'''
def stop():
    """{STOP}"""
    global instance
    if instance is not None:
        runtime, instance = instance.runtime, None
        runtime.destroy()
'''
# What pairs of pointer and length need. A start function runs before instantiate returns.
_READ = """
def _read(module, at, length):
    return bytes(module.instances[-1].memory.view(at & 0xFFFFFFFF, length & 0xFFFFFFFF))
"""
_PUT = """
def _put(data):
    at = instance.module_dup_data(data) if data else 0
    if data and not at:
        raise insitu.OutOfHeap("no room for %d bytes in linear memory: give it a larger app heap" % len(data))
    return at


def _free(at):
    if at:
        instance.module_free(at)
"""


@dataclass(frozen=True, slots=True)
class Pools:
    """Sizes in bytes, and the address of the image in flash; place: of the global heap, None: MicroPython's heap."""

    address: int
    place: int | None
    heap: int
    stack: int
    app_heap: int


def write(interface: Interface, title: str, pools: Pools) -> str:
    """The module's text. title: a clause that says what it was made of."""
    into = any(p.type for functions in interface.imports.values() for f in functions for p in f.parameters)
    out_of = any(p.type for f in interface.exports for p in f.parameters)
    parts = [
        f'"""{title}"""\n\nimport insitu\n',
        f"ADDRESS = {pools.address:#010x}  # where the image lies in flash\n"
        f"HEAP = {pools.heap}  # bytes of the global heap, STACK and APP_HEAP in it\n"
        f"STACK = {pools.stack}\nAPP_HEAP = {pools.app_heap}\n\ninstance = None\n",
        _start(interface, pools),
        _STOP,
        _READ if into else "",
        _PUT if out_of else "",
        *(_export(function, interface.awaited) for function in interface.exports),
    ]
    return "\n".join(part for part in parts if part)


def _start(interface: Interface, pools: Pools) -> str:
    pool = "bytearray(HEAP)" if pools.place is None else f"({pools.place:#010x}, HEAP)"
    given = list(interface.python.values())
    parameters = [*given, "source=ADDRESS", "heap=None", *(["wasi=None"] if interface.wasi else [])]
    lines = [
        f"\ndef start({', '.join(parameters)}):",
        f'    """{START}',
        "",
        "    What it imports is methods of the other arguments.",
        '    """',
        "    global instance",
        "    stop()",
        f"    _module = insitu.Runtime(heap={pool} if heap is None else heap).load(source)",
        "    imports = {}",
        *(
            f"    imports[{module!r}] = {{{', '.join(_bound(f, interface.python[module]) for f in functions)}}}"
            for module, functions in interface.imports.items()
        ),
    ]
    if interface.wasi:
        lines += [
            "    if wasi is None:",
            "        from insitu.wasi import Wasi",
            "",
            "        wasi = Wasi()",
            "    imports = wasi.imports(_module, imports)",
        ]
    lines.append("    instance = _module.instantiate(stack_size=STACK, heap_size=APP_HEAP, imports=imports)")
    lines += ["    wasi.bind(instance)"] if interface.wasi else []
    lines += ['    instance.lookup_function("_initialize")()'] if interface.reactor else []
    return "\n".join(lines) + "\n"


def _bound(function: Function, given: str) -> str:
    """An entry of a dictionary: the method, or what makes a value of each pair for it."""
    method = f"{given}.{function.python}"
    if not any(parameter.type for parameter in function.parameters):
        return f"{function.name!r}: {method}"
    taken = [word for p in function.parameters for word in ([p.name, f"_{p.name}_length"] if p.type else [p.name])]
    passed = [_value(parameter) for parameter in function.parameters]
    return f"{function.name!r}: lambda {', '.join(taken)}: {method}({', '.join(passed)})"


def _value(parameter: Parameter) -> str:
    if not parameter.type:
        return parameter.name
    read = f"_read(_module, {parameter.name}, _{parameter.name}_length)"
    return f'str({read}, "utf-8")' if parameter.type == "str" else read


def _export(function: Function, awaited: bool) -> str:
    names = [parameter.name for parameter in function.parameters]
    call = f"instance.lookup_function({function.name!r})"
    start = ""
    if awaited:
        start, call = "async ", f"await {call}.call_async"
    head = f'\n{start}def {function.python}({", ".join(names)}):\n    """{function.signature}"""\n'
    pairs = [parameter for parameter in function.parameters if parameter.type]
    if not pairs:
        return f"{head}    return {call}({', '.join(names)})\n"
    passed = [f"_{p.name}_at, len({p.name})" if p.type else p.name for p in function.parameters]
    lines = [
        *(f"{pair.name} = {pair.name}.encode()" for pair in pairs if pair.type == "str"),
        " = ".join([*(f"_{pair.name}_at" for pair in pairs), "0"]),
        "try:",
        *(f"    _{pair.name}_at = _put({pair.name})" for pair in pairs),
        f"    return {call}({', '.join(passed)})",
        "finally:",
        *(f"    _free(_{pair.name}_at)" for pair in pairs),
    ]
    return head + "".join(f"    {line}\n" for line in lines)
