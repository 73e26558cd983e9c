# What differs from chip to chip, behind one set of names:
#   call(address, env): call machine code at address with the exec env's address; its result
#   view(address, size): the bytes there, writable where they are RAM
#   count(address, size, byte): how many from the first on are byte
#   address_of(buffer), fill(address, size, byte), executable(address)
#   name(); archs() of the images that run here; code_bit() of a code address that is called
#   features(): FEATURE_* bits that the CPU has; enable(features): switch them on
import sys

if sys.implementation.name == "micropython":
    _arch = sys.implementation._mpy >> 10 & 15  # MP_NATIVE_ARCH_* of py/persistentcode.h
    if 4 <= _arch <= 8:
        from .cortex_m import archs, call, code_bit, enable, executable, features, name
    elif _arch == 11:
        from .rv32 import archs, call, code_bit, enable, executable, features, name
    else:
        raise ImportError("insitu runs on Cortex-M3 and up and on rv32imc; this firmware has neither")
    from .memory import address_of, count, fill, view
else:
    from .simulated import (  # noqa: F401
        address_of,
        archs,
        call,
        code_bit,
        count,
        enable,
        executable,
        features,
        fill,
        name,
        view,
    )
