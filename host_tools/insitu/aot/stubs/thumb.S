// Thumb-2 (ARMv7-M): leaving and entering compiled code. The offsets are those of port/xip/layout.py and
// come as -D options (aot/stubs.py). Compiled code runs on the process stack (PSP), so that an interrupt
// puts only its exception frame on the operand stack and runs its handler on the main stack; where Python
// itself already runs on PSP, the same register is pointed at the operand stack.
// ARMv7-M Architecture Reference Manual, B1.4.4: CONTROL bit 1 is SPSEL; bit 2, FPCA, must not be disturbed.
    .syntax unified
    .section .text.insitu_stub, "ax", %progbits
    .thumb

    .global insitu_enter
    .type insitu_enter, %function
    .balign 4
    .word MARK_ENTER
insitu_enter:                           // r0: exec env. Returns its request
    push  {r4-r11, lr}
#ifdef FPU
    vpush {d8-d15}
#endif
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
    tst   r2, #2
    bne   1f
    msr   psp, r3
    orr   r2, r2, #2
    msr   control, r2
    isb
1:  mov   sp, r3
    ldr   r3, [r0, #ENV_START]
    cbz   r3, resume
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
    tst   r0, #2
    bne   1f
    mrs   r0, control
    bic   r0, r0, #2
    msr   control, r0
    isb
1:  mov   sp, r3
    pop   {r3, r4, r5}
    str   r3, [r2, #ENV_MAIN_SP]
    mov   r0, r1
#ifdef FPU
    vpop  {d8-d15}
#endif
    pop   {r4-r11, pc}
resume:
#ifdef FPU
    vpop  {d8-d15}
#endif
    pop   {r3-r11, pc}

    .global insitu_host_call
    .type insitu_host_call, %function
    .balign 4
insitu_host_call:                       // r0: instance, r1: request
    push  {r3-r11, lr}
#ifdef FPU
    vpush {d8-d15}
#endif
    ldr   r2, [r0, #-INSTANCE_RUNTIME]
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
    ldr   r2, [r0, #-INSTANCE_RUNTIME]
    ldr   r2, [r2, #CELL_EXEC_ENV]
    lsls  r1, r1, #8
    adds  r1, r1, #REQUEST_TRAP
    str   r1, [r2, #ENV_REQUEST]
    str   r0, [r2, #ENV_INSTANCE]
    bic   lr, lr, #1
    str   lr, [r2, #ENV_PC]
    b     leave
