"""Functions in inline assembler become viper functions of the same machine code."""

from __future__ import annotations

import struct

from insitu.mpy.cross import compile_source
from insitu.mpy.read import ASM, BYTECODE, VIPER, read
from insitu.mpy.viper import as_viper

_SOURCE = """
import micropython

def outer():
    @micropython.asm_rv32
    def second(a0, a1, a2, a3) -> object:
        lw(a0, 4(a3))
    return second

def plain():
    return 5
"""
_LW_A0_4_A3 = 0x0046A503  # The RISC-V Instruction Set Manual I, 2.6: imm 4, rs1 13, funct3 2, rd 10, LOAD


def test_kind_alone_changes() -> None:
    data = compile_source(_SOURCE, "rv32imc", "module.py")
    before, after = read(data), read(as_viper(data))
    assert [code.kind for code in before.body.walk()] == [BYTECODE, BYTECODE, ASM, BYTECODE]
    assert [code.kind for code in after.body.walk()] == [BYTECODE, BYTECODE, VIPER, BYTECODE]
    assert [code.data for code in after.body.walk()] == [code.data for code in before.body.walk()]
    assert (after.header, after.qstrs, after.objects) == (before.header, before.qstrs, before.objects)
    function = after.body.walk()[2]
    assert not function.is_generator
    # uncompressed or, as lw a0, 4(a3) has a form for it, compressed: C.LW, 16.3
    assert struct.pack("<I", _LW_A0_4_A3) in function.data or struct.pack("<H", 0x42C8) in function.data


def test_a_module_without_assembler_stays_as_it_is() -> None:
    data = compile_source("def plain():\n    return 5\n", "rv32imc", "module.py")
    assert as_viper(data) == data
