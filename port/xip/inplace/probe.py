# Whether this firmware keeps functions and raw codes as the blob of a linked module has them. An ordinary import has
# made them in RAM for the functions below; they are compared, word for word, with what the blob would hold.
import sys

import micropython

from .asm_thumb import assembler  # or asm_rv32: the one that the CPU has is put in here when this is packed
from .blob import (
    ASM_CODE,
    ASM_N_ARGS,
    ASM_SIGNATURE,
    FUNCTION_CHILDREN,
    FUNCTION_CODE,
    FUNCTION_CONTEXT,
    KIND_ASM,
    KIND_BYTECODE,
    KIND_NATIVE,
    KIND_VIPER,
    RECORD_CHILDREN,
    RECORD_DATA,
    RECORD_SIGNATURE,
    RECORD_SIGNATURE_SAVE,
)
from .ports import REFUSED


def functions():
    @micropython.viper
    def viper(a: int) -> int:
        return a + 1

    @micropython.native
    def native(a):
        return a + 1

    @micropython.native
    def outer(a):
        def inner():
            return a + 1

        return inner

    def generator():
        yield 2

    return viper, native, outer, generator


# The kinds of raw codes, 1 << kind each, that linked modules may have here; 0: none, and a line has said why. word:
# the loader's.
def probe(word):
    kinds, why = _kinds(word)
    if why:
        print("insitu: machine code of modules is copied to RAM:", why)
    return kinds


def _kinds(word):
    for start in REFUSED:
        if sys.platform.startswith(start):
            return 0, REFUSED[start]
    if hasattr(sys, "settrace"):  # which reads further fields of a raw code
        return 0, "this firmware has sys.settrace"
    if sys.maxsize >> 32:
        return 0, "this firmware has words of 64 bits"
    made = functions()
    viper, native, outer, generator = made
    differs = _differs(word, functions, made, (KIND_VIPER, KIND_NATIVE, KIND_NATIVE, KIND_BYTECODE), generator)
    if not differs and (viper(1), native(1), outer(1)(), next(generator())) != (2, 2, 2, 2):
        differs = "results"
    kinds = 1 << KIND_BYTECODE | 1 << KIND_NATIVE | 1 << KIND_VIPER
    (asm,) = made = assembler()
    # where there is no inline assembler, its functions are taken for bytecode
    if not differs and type(asm) is not type(assembler):
        kinds |= 1 << KIND_ASM
        differs = _differs(word, assembler, made, (KIND_ASM,), None)
        if not differs and asm(1, 1) != 2:
            differs = "results"
    return (0, "this firmware differs in " + differs) if differs else (kinds, "")


# What is not as it must be of the functions that outer has made, and of their raw codes; "": nothing.
def _differs(word, outer, made, kinds, generator):
    table = word(id(outer) + FUNCTION_CHILDREN)
    if not _near(table, outer):
        return "mp_obj_fun_bc_t.child_table"
    for i in range(len(made)):
        function, kind, raw = made[i], kinds[i], word(table + 4 * i)
        at = id(function)
        if not _near(raw, outer) or word(raw) != kind << 16 | (function is generator) << 24:
            return "mp_raw_code_t"
        code, children = word(raw + RECORD_DATA), word(raw + RECORD_CHILDREN)
        if kind == KIND_ASM:
            if word(at + ASM_CODE) != code or word(at + ASM_N_ARGS) != 2:
                return "mp_obj_fun_asm_t"
            signature = word(at + ASM_SIGNATURE) << 8 | 2
            if signature not in (word(raw + RECORD_SIGNATURE), word(raw + RECORD_SIGNATURE_SAVE)):
                return "mp_raw_code_t.asm_type_sig"
        elif word(at + FUNCTION_CONTEXT) != word(id(outer) + FUNCTION_CONTEXT):
            return "mp_obj_fun_bc_t.context"
        elif word(at + FUNCTION_CHILDREN) != children or word(at + FUNCTION_CODE) != code:
            return "mp_obj_fun_bc_t"
        if kind == KIND_NATIVE:
            # the prelude lies in the code; its address behind those of the children, or in the table's place
            index = word(code)
            prelude = word(children + 4 * index) if index else children
            if index > 1 or not code < prelude < code + 256:
                return "the prelude's place"
    return ""


# Whether address can be an object's beside other: who follows a wrong one may end in a fault.
def _near(address, other):
    return not address & 3 and address >> 24 == id(other) >> 24
