# RV32IMC: what functions call to save registers, and jump to so as to restore them and return, by the names that LLVM
# has for them with its feature save-restore. From LLVM's RISCVFrameLowering.cpp: the routines called n are for ra and s0
# to s(n-1), ra at the end of a frame whose size is a multiple of 16 bytes, the others below in order; a save returns to
# t0. One that saves more has room for it, as far as the frame goes. sp is moved before anything is written: an interrupt
# may take what lies below. contract/walk.py follows all of this as if it stood in the callers.

    .macro registers access, frame
    \access ra, (\frame - 4)(sp)
    \access s0, (\frame - 8)(sp)
    \access s1, (\frame - 12)(sp)
    \access s2, (\frame - 16)(sp)
    .if \frame > 16
    \access s3, (\frame - 20)(sp)
    \access s4, (\frame - 24)(sp)
    \access s5, (\frame - 28)(sp)
    \access s6, (\frame - 32)(sp)
    .endif
    .if \frame > 32
    \access s7, (\frame - 36)(sp)
    \access s8, (\frame - 40)(sp)
    \access s9, (\frame - 44)(sp)
    \access s10, (\frame - 48)(sp)
    .endif
    .if \frame > 48
    \access s11, (\frame - 52)(sp)
    .endif
    .endm

    .macro entries of, frame, numbers:vararg
    .section .text.insitu_\of\()_\frame, "ax", @progbits
    .irp  n, \numbers
    .global __riscv_\of\()_\n
    .type __riscv_\of\()_\n, @function
__riscv_\of\()_\n:
    .endr
    .endm

    .macro routines frame, numbers:vararg
    entries save, \frame, \numbers
    addi  sp, sp, -\frame
    registers sw, \frame
    jr    t0
    entries restore, \frame, \numbers
    registers lw, \frame
    addi  sp, sp, \frame
    ret
    .endm

    routines 16, 0, 1, 2, 3
    routines 32, 4, 5, 6, 7
    routines 48, 8, 9, 10, 11
    routines 64, 12
