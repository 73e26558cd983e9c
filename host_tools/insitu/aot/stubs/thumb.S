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
insitu_enter:       // r0: exec env, r1: thunk to start, 0: resume; r2: instance, r3: function. Returns the request
    save  r4
    ldr   r7, [r0, #ENV_CELL]
    ldr   r4, [r7, #CELL_EXEC_ENV]
    mrs   r5, ipsr                      // not 0: an exception's handler, which came at any moment
    orrs  r4, r5
    bne   busy
    ldr   r5, [r0, #ENV_SP]
    ldr   r6, [r0, #ENV_LIMIT]
    cmp   r1, #0
    beq   1f
    cmp   r5, r6
    blo   overflow
1:  str   r6, [r7, #CELL_LIMIT]
    str   r0, [r7, #CELL_EXEC_ENV]
    mrs   r6, control
    push  {r5-r7}                       // CONTROL and the cell for leave, and 4 bytes to align
    mov   r4, sp
    str   r4, [r0, #ENV_MAIN_SP]
    msr   psp, r5
    movs  r4, #2
    orrs  r6, r4
#ifndef FPU
    movs  r4, #4
    bics  r6, r4
#endif
    msr   control, r6
    isb                                 // sp is PSP now, if it was not before
    cmp   r1, #0
    beq   resume
    mov   r4, r0
    mov   r5, r1
    mov   r6, r2
    mov   r0, r2
    blx   r5                            // thunk(instance, , , function): the first result, if there is one
    mov   r3, r6
    subs  r3, #INSTANCE_IMAGE
    ldr   r3, [r3]
    ldr   r3, [r3, #IMAGE_ARGS]
    subs  r3, r6, r3
    stm   r3!, {r0, r1}
    mov   r2, r4
    movs  r1, #0                        // REQUEST_RETURN
leave:                                  // r2: exec env, r1: request
    ldr   r3, [r2, #ENV_MAIN_SP]
    ldr   r0, [r3, #4]
    msr   control, r0                   // as it was on entry; no register of the FPU is in use at this moment
    isb
    mov   sp, r3
    pop   {r5-r7}
    movs  r0, #0
    str   r0, [r7, #CELL_EXEC_ENV]
    mov   r0, r1
return:
    restore_and_return r4
busy:
    movs  r0, #REQUEST_BUSY
    b     return
overflow:                               // the trap that the function would have had, had it been called
    str   r2, [r0, #ENV_INSTANCE]
    adds  r3, #1                        // Thumb's bit is in it: behind the function's first instruction
    str   r3, [r0, #ENV_PC]
    movs  r0, #TRAP_OPERAND_STACK_OVERFLOW
    lsls  r0, r0, #8
    adds  r0, #REQUEST_TRAP
    b     return
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
    str   r3, [r2, #ENV_LEFT]
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
    str   r0, [r2, #ENV_INSTANCE]
    mov   r3, lr
    subs  r3, #1                        // Thumb's bit
    str   r3, [r2, #ENV_PC]
    mov   r3, sp
    str   r3, [r2, #ENV_LEFT]           // for who looks for the calls that led here
    b     leave
