"""Native code of MicroPython's own modules, executed in place: .mpy files linked to where they lie in flash."""
