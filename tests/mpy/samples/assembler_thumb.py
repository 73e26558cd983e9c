import micropython


@micropython.asm_thumb
def asm_sum(r0, r1, r2) -> int:
    add(r0, r0, r1)
    add(r0, r0, r2)


@micropython.asm_thumb
def asm_uint(r0) -> uint:
    mvn(r0, r0)


@micropython.asm_thumb
def pc() -> uint:
    mov(r0, pc)
