"""A clock of each QEMU machine that counts executed instructions: -icount makes one last a virtual nanosecond."""

# Virtual nanoseconds a tick, by target: SysTick at the core clock (counts down, 24 bits), mtime at 10 MHz.
_SYSTICK = """
import machine
machine.mem32[0xE000E014] = 0xFFFFFF
machine.mem32[0xE000E010] = 5
def ticks(): return -machine.mem32[0xE000E018]
MASK = 0xFFFFFF
"""
_MTIME = """
import machine
def ticks(): return machine.mem32[0x0200BFF8]
MASK = 0x3FFFFFFF
"""
CLOCKS = {
    "qemu_stm32f405": (_SYSTICK, 1000 / 168),
    "qemu_mps2_an385": (_SYSTICK, 1000 / 25),
    "qemu_rv32": (_MTIME, 100.0),
}
