// Cortex-M: leaving and entering compiled code. The offsets are those of port/xip/layout.py and come as -D
// options (aot/stubs.py). The instructions are those that every Cortex-M has (ARMv6-M); only what saves and
// restores registers knows Thumb-2, which reaches r8 to r11 without a detour.
// Compiled code runs on the process stack (PSP), so that an interrupt puts only its exception frame on the
// operand stack and runs its handler on the main stack; where Python itself already runs on PSP, the same
// register is pointed at the operand stack.
// ARMv6-M and ARMv7-M Architecture Reference Manuals, B1.4.4: CONTROL bit 1 is SPSEL; bit 2, FPCA, says that an
// exception frame has room for FPU state. Code that uses the FPU leaves it alone. Other code clears it: its
// operand stack has no such room, and whoever called the stub keeps nothing in the registers concerned.
    .syntax unified
    .section .text.insitu_stub, "ax", %progbits
    .thumb

// The registers from \first on that a function must keep.
    .macro save first
#ifdef __thumb2__
    push  {\first-r11, lr}
#else
    push  {\first-r7, lr}
    mov   r4, r8
    mov   r5, r9
    mov   r6, r10
    mov   r7, r11
    push  {r4-r7}
#endif
#ifdef FPU
    vpush {d8-d15}
#endif
    .endm

    .macro restore_and_return first
#ifdef FPU
    vpop  {d8-d15}
#endif
#ifdef __thumb2__
    pop   {\first-r11, pc}
#else
    pop   {r4-r7}
    mov   r8, r4
    mov   r9, r5
    mov   r10, r6
    mov   r11, r7
    pop   {\first-r7, pc}
#endif
    .endm

    .global insitu_enter
    .type insitu_enter, %function
    .balign 4
    .word MARK_ENTER
insitu_enter:                           // r0: exec env. Returns its request
    save  r4
    ldr   r1, [r0, #ENV_MAIN_SP]
    mrs   r2, control
    push  {r1-r3}
    mov   r3, sp
    str   r3, [r0, #ENV_MAIN_SP]
    ldr   r4, [r0, #ENV_CELL]
    ldr   r5, [r0, #ENV_LIMIT]
    str   r5, [r4, #CELL_LIMIT]
    str   r0, [r4, #CELL_EXEC_ENV]
    ldr   r3, [r0, #ENV_SP]
    movs  r5, #2
    tst   r2, r5
    bne   1f
    msr   psp, r3
    orrs  r2, r5
1:
#ifndef FPU
    movs  r5, #4
    bics  r2, r5
#endif
    msr   control, r2
    isb
    mov   sp, r3
    ldr   r3, [r0, #ENV_START]
    cmp   r3, #0
    beq   resume
    movs  r4, #0
    str   r4, [r0, #ENV_START]
    mov   r4, r0
    ldr   r0, [r4, #ENV_START_INSTANCE]
    ldr   r1, [r4, #ENV_START_FUNCTION]
    blx   r3                            // thunk(instance, function)
    mov   r2, r4
    movs  r1, #0                        // REQUEST_RETURN
    str   r1, [r2, #ENV_REQUEST]
leave:                                  // r2: exec env, r1: request
    ldr   r3, [r2, #ENV_MAIN_SP]
    ldr   r0, [r3, #4]                  // CONTROL as it was on entry
    movs  r4, #2
    tst   r0, r4
    bne   1f
    mrs   r0, control
    bics  r0, r4
    msr   control, r0
    isb
1:  mov   sp, r3
    pop   {r3, r4, r5}
    str   r3, [r2, #ENV_MAIN_SP]
    mov   r0, r1
    restore_and_return r4
resume:
    restore_and_return r3

    .global insitu_host_call
    .type insitu_host_call, %function
    .balign 4
insitu_host_call:                       // r0: instance, r1: request
    save  r3
    subs  r2, r0, #INSTANCE_RUNTIME
    ldr   r2, [r2]
    ldr   r2, [r2, #CELL_EXEC_ENV]
    mov   r3, sp
    str   r3, [r2, #ENV_SP]
    str   r1, [r2, #ENV_REQUEST]
    str   r0, [r2, #ENV_INSTANCE]
    b     leave

    .global insitu_trap
    .type insitu_trap, %function
    .balign 4
insitu_trap:                            // r0: instance, r1: TRAP_*; lr: in the function that trapped
    subs  r2, r0, #INSTANCE_RUNTIME
    ldr   r2, [r2]
    ldr   r2, [r2, #CELL_EXEC_ENV]
    lsls  r1, r1, #8
    adds  r1, r1, #REQUEST_TRAP
    str   r1, [r2, #ENV_REQUEST]
    str   r0, [r2, #ENV_INSTANCE]
    mov   r3, lr
    subs  r3, #1                        // Thumb's bit
    str   r3, [r2, #ENV_PC]
    b     leave
