// Cortex-M: where a loop or a recursion of an interruptible module leaves for the runtime (aot/polls.py). It keeps all
// registers, so that it costs the code around it none; not the flags. r0: instance.
    .syntax unified
    .thumb
    .section .text.insitu_poll, "ax", %progbits
    .global insitu_poll
    .type insitu_poll, %function
    .balign 2
insitu_poll:
#ifdef __thumb2__
    push  {r0-r3, r12, lr}
#else
    push  {r0-r4, lr}
    mov   r4, r12
    push  {r3, r4}
#endif
#ifdef FPU
    vpush {d0-d7}
#endif
    subs  r2, r0, #INSTANCE_RUNTIME
    ldr   r2, [r2]
    ldr   r2, [r2, #CELL_EXEC_ENV]
    mov   r3, lr
    subs  r3, #1                        // Thumb's bit
    str   r3, [r2, #ENV_PC]
    movs  r1, #REQUEST_POLL
    bl    insitu_host_call
#ifdef FPU
    vpop  {d0-d7}
#endif
#ifdef __thumb2__
    pop   {r0-r3, r12, pc}
#else
    pop   {r3, r4}
    mov   r12, r4
    pop   {r0-r4, pc}
#endif
    .size insitu_poll, . - insitu_poll
