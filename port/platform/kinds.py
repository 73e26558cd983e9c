# Of imports, for compiled code's calls of them (enter.py).
from micropython import const

KIND_RESULT = const(8)  # of an import: parameters, all i32, + this if it has an i32 result
KIND_OTHER = const(128)  # this or more: imports.py
KIND_EXTERNREF = const(129)
