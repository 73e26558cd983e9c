import micropython


@micropython.asm_rv32
def asm_sum(a0, a1, a2) -> int:
    add(a0, a0, a1)
    add(a0, a0, a2)


@micropython.asm_rv32
def asm_uint(a0) -> uint:
    xori(a0, a0, -1)


@micropython.asm_rv32
def pc() -> uint:
    auipc(a0, 0)
