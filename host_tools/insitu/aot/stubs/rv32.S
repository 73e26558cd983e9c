# RV32IMC: leaving and entering compiled code. The offsets are those of port/xip/layout.py and come as -D
# options (aot/stubs.py).
    .section .text.insitu_stub, "ax", @progbits

    .macro save
    addi  sp, sp, -64
    sw    ra, 0(sp)
    sw    s0, 4(sp)
    sw    s1, 8(sp)
    sw    s2, 12(sp)
    sw    s3, 16(sp)
    sw    s4, 20(sp)
    sw    s5, 24(sp)
    sw    s6, 28(sp)
    sw    s7, 32(sp)
    sw    s8, 36(sp)
    sw    s9, 40(sp)
    sw    s10, 44(sp)
    sw    s11, 48(sp)
    .endm

    .global insitu_enter
    .type insitu_enter, @function
    .balign 4
    .word MARK_ENTER
insitu_enter:           # a0: exec env, a1: thunk to start, 0: resume; a2: instance, a3: function. Returns the request
    lw    t1, ENV_CELL(a0)
    lw    t0, CELL_EXEC_ENV(t1)
    bnez  t0, busy
    lw    t2, ENV_LIMIT(a0)
    lw    t3, ENV_SP(a0)
    beqz  a1, 1f
    bltu  t3, t2, overflow
1:  save
    sw    t1, 52(sp)                    # the cell, for leave
    sw    sp, ENV_MAIN_SP(a0)
    sw    t2, CELL_LIMIT(t1)
    sw    a0, CELL_EXEC_ENV(t1)
    mv    sp, t3
    beqz  a1, restore
    mv    s0, a0
    mv    s1, a2
    mv    t0, a1
    mv    a0, a2
    jalr  t0                            # thunk(instance, , , function): the first result, if there is one
    lw    t0, -INSTANCE_IMAGE(s1)
    lw    t0, IMAGE_ARGS(t0)
    sub   t0, s1, t0
    sw    a0, 0(t0)
    sw    a1, 4(t0)
    mv    a2, s0
    li    a1, 0                         # REQUEST_RETURN
leave:                                  # a2: exec env, a1: request
    lw    sp, ENV_MAIN_SP(a2)
    lw    t0, 52(sp)
    sw    zero, CELL_EXEC_ENV(t0)
    mv    a0, a1
restore:
    lw    ra, 0(sp)
    lw    s0, 4(sp)
    lw    s1, 8(sp)
    lw    s2, 12(sp)
    lw    s3, 16(sp)
    lw    s4, 20(sp)
    lw    s5, 24(sp)
    lw    s6, 28(sp)
    lw    s7, 32(sp)
    lw    s8, 36(sp)
    lw    s9, 40(sp)
    lw    s10, 44(sp)
    lw    s11, 48(sp)
    addi  sp, sp, 64
    ret
busy:
    li    a0, REQUEST_BUSY
    ret
overflow:                               # the trap that the function would have had, had it been called
    sw    a2, ENV_INSTANCE(a0)
    addi  a3, a3, 2                     # behind the function's first instruction
    andi  a3, a3, -2
    sw    a3, ENV_PC(a0)
    li    a0, TRAP_OPERAND_STACK_OVERFLOW << 8 | REQUEST_TRAP
    ret

    .global insitu_host_call
    .type insitu_host_call, @function
    .balign 4
insitu_host_call:                       # a0: instance, a1: request
    save
    lw    a2, -INSTANCE_RUNTIME(a0)
    lw    a2, CELL_EXEC_ENV(a2)
    sw    sp, ENV_LEFT(a2)
    sw    a0, ENV_INSTANCE(a2)
    j     leave

    .global insitu_trap
    .type insitu_trap, @function
    .balign 4
insitu_trap:                            # a0: instance, a1: TRAP_*; ra: in the function that trapped
    lw    a2, -INSTANCE_RUNTIME(a0)
    lw    a2, CELL_EXEC_ENV(a2)
    slli  a1, a1, 8
    addi  a1, a1, REQUEST_TRAP
    sw    a0, ENV_INSTANCE(a2)
    sw    ra, ENV_PC(a2)
    sw    sp, ENV_LEFT(a2)              # for who looks for the calls that led here
    j     leave
