# What differs from chip to chip, behind one set of names:
#   start(function, *args), serve(state, request): enter compiled code, see run/enter.py
#   view(address, size): the bytes there, writable where they are RAM
#   count(address, size, byte): how many from the first on are byte
#   address_of(buffer), fill(address, size, byte), executable(address)
#   forget_module(module): its code is needed seldom, and loaded again then
#   drop_module(module): the same where nothing of it is in use any more. To the garbage collector any word that looks
#   like the address of one of its functions is one, and a function has its module: so that has nothing then
#   heaps(): a list for heap.py, of this machine
#   name(); archs() of the images that run here; code_bit() of a code address that is called
#   features(): FEATURE_* bits that the CPU has; enable(features): switch them on
import sys

if sys.implementation.name == "micropython":
    _arch = sys.implementation._mpy >> 10 & 15  # MP_NATIVE_ARCH_* of py/persistentcode.h
    if 4 <= _arch <= 8:
        from .cortex_m import archs, code_bit, enable, executable, features, name, serve, start
    elif _arch == 11:
        from .rv32 import archs, code_bit, enable, executable, features, name, serve, start
    else:
        raise ImportError("insitu runs on Cortex-M0+ and up and on rv32imc; this firmware has neither")
    from .device_memory import address_of, count, drop_module, fill, forget_module, heaps, view
else:
    from .simulated import (  # noqa: F401
        address_of,
        archs,
        code_bit,
        count,
        drop_module,
        enable,
        executable,
        features,
        fill,
        forget_module,
        heaps,
        name,
        serve,
        start,
        view,
    )
