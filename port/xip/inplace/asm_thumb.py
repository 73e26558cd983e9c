# What the probe looks at of the inline assembler.
import micropython


def assembler():
    @micropython.asm_thumb
    def asm(r0, r1):
        add(r0, r0, r1)

    return (asm,)
