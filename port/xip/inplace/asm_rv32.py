# What the probe looks at of the inline assembler.
import micropython


def assembler():
    @micropython.asm_rv32
    def asm(a0, a1):
        add(a0, a0, a1)

    return (asm,)
