// Cortex-M: accesses to linear memory outside of its window (aot/window.py). The instructions are ARMv6-M's.
// An entry, insitu_far_KIND_OFFSET: r0: instance (INSTANCE_REGISTER: r10), r1: address, r2 (of 64 bits, r3): value to
// store. All registers but a load's result, r0 (of 64 bits, r1), are kept. Offsets in the image's names are those of
// port/xip/layout.py, which come as -D options; r0 is lowered by INSTANCE_FAR, so that they are positive.
    .syntax unified
    .thumb

    .macro function name
    .type \name, %function
    .balign 2
\name:
    .endm
    .macro function_end name
    .size \name, . - \name
    .endm
    .equ TABLE, INSTANCE_FAR - FAR_TABLE
    .equ MASK, INSTANCE_FAR - FAR_MASK
    .equ NEXT, INSTANCE_FAR - FAR_NEXT
    .equ LEFT, INSTANCE_FAR - FAR_LEFT
    .equ ADDRESS, INSTANCE_FAR - FAR_ADDRESS
    .equ HIGH, INSTANCE_FAR - FAR_HIGH
    .equ LOW, INSTANCE_FAR - FAR_LOW
    .equ COUNT, INSTANCE_FAR - FAR_COUNT
    .equ SIZE, INSTANCE_FAR - INSTANCE_MEMORY_SIZE
    .equ RUNTIME, INSTANCE_FAR - INSTANCE_RUNTIME
    .equ RETURN, 28                     // in the frame that an entry pushes, r1 at 0 or r0 and r1

    .macro push_load
    push  {r1-r7, lr}
    .endm
    .macro push_store
    push  {r0-r2, r4-r7, lr}
    .endm

// Entries lie in sections of their own, so that the linker keeps those that are called. A branch reaches 2 KiB.
    .macro entries name, push
    .altmacro
    .set offset, 0
    .rept FAR_OFFSETS
    entry \name, %offset, \push
    .set offset, offset + 1
    .endr
    .noaltmacro
    .endm
    .macro entry name, offset, push
    .section .text.insitu_far_\name\()_\offset, "ax", %progbits
    .global insitu_far_\name\()_\offset
    function insitu_far_\name\()_\offset
    \push
    movs  r7, #\offset
    b     insitu_far_\name
    function_end insitu_far_\name\()_\offset
    .endm

// To 1 where the access lies over a page's end, or the CPU does not take its address. A page may reach over the
// memory's end where that is no whole number of pages.
    .macro whole width
#ifdef ENDS_INSIDE
    ldr   r4, [r0, #SIZE]
    subs  r4, r1
    bls   17f
    cmp   r4, #\width
    bhs   18f
17: b     far_trap
18:
#endif
#ifdef UNALIGNED
    .if \width > 1
#else
    .if \width > 2
    lsls  r4, r5, #30
    bne   1f
    .elseif \width > 1
    lsls  r4, r5, #31
    bne   1f
    .endif
    .if \width > 4                      // others, where they are aligned, end in their page
#endif
    cmp   r5, #FAR_PAGE - \width
    bhi   1f
    .endif
    .endm

    .macro load name, width, instruction, extend
    function insitu_far_\name
    bl    far_find
    whole \width
    \instruction r0, [r6, r5]
    pop   {r1-r7, pc}
    .if \width > 1
1:  movs  r7, #\width
    bl    far_load_bytes
    .ifnb \extend
    \extend r0, r0
    .endif
    pop   {r1-r7, pc}
    .endif
    function_end insitu_far_\name
    .endm

    .macro store name, width, instruction
    function insitu_far_\name
    bl    far_find
    bne   2f
3:  whole \width
    \instruction r2, [r6, r5]
    pop   {r0-r2, r4-r7, pc}
2:  bl    far_make
    b     3b
    .if \width > 1
1:  movs  r7, #\width
    bl    far_store_bytes
    pop   {r0-r2, r4-r7, pc}
    .endif
    function_end insitu_far_\name
    .endm

    entries l8u, push_load
    entries l8s, push_load
    entries l16u, push_load
    entries l16s, push_load
    entries l32, push_load
    entries l64, push_load

    .section .text.insitu_far, "ax", %progbits
    load  l8u, 1, ldrb
    load  l8s, 1, ldrsb
    load  l16u, 2, ldrh
    load  l16s, 2, ldrsh, sxth
    load  l32, 4, ldr
    store s8, 1, strb
    store s16, 2, strh
    store s32, 4, str

    function insitu_far_l64
    bl    far_find
    whole 8
    adds  r6, r5
    ldr   r0, [r6]
    ldr   r4, [r6, #4]
4:  str   r4, [sp]                      // r1
    pop   {r1-r7, pc}
1:  movs  r7, #8
    bl    far_load_bytes
    b     4b
    function_end insitu_far_l64

    function insitu_far_s64
    bl    far_find
    bne   2f
3:  whole 8
    adds  r6, r5
    str   r2, [r6]
    str   r3, [r6, #4]
    pop   {r0-r2, r4-r7, pc}
2:  bl    far_make
    b     3b
1:  movs  r7, #8
    bl    far_store_bytes
    pop   {r0-r2, r4-r7, pc}
    function_end insitu_far_s64

// Out of bounds: r0: lowered. As insitu_trap does, but from where the entry was called.
    function far_trap
    ldr   r2, [r0, #RUNTIME]
    ldr   r2, [r2, #CELL_EXEC_ENV]
    ldr   r3, [sp, #RETURN]
    subs  r3, #1                        // Thumb's bit
    str   r3, [r2, #ENV_PC]
    adds  r0, #INSTANCE_FAR
    movs  r1, #TRAP_OUT_OF_BOUNDS_MEMORY
    lsls  r1, r1, #8
    adds  r1, #REQUEST_TRAP
    bl    insitu_host_call
    b     .                             // it does not come back
    function_end far_trap

// r0: instance, r1: address, r7: offset. To r0: lowered, r1: the sum, r5: its place in the page, r6: the page, Z. Where
// there is none: r6 such that a load reads zeros, r4: the page's number, r7: its slot, not Z. r2, r3 are kept.
    function far_find
#ifdef INSTANCE_REGISTER
    sub   r0, r10, #INSTANCE_FAR
#else
    subs  r0, #INSTANCE_FAR
#endif
    ldr   r4, [r0, #COUNT]
    adds  r4, #1
    str   r4, [r0, #COUNT]
    adds  r1, r7
    bcs   far_trap
    lsrs  r4, r1, #FAR_SHIFT
    lsrs  r7, r4, #FAR_HASH_SHIFT
    adds  r7, r4
    lsls  r7, #3
#ifdef __thumb2__
5:  ldrd  r6, r5, [r0, #TABLE]          // and the mask
    ands  r7, r5
    adds  r7, r6
    ubfx  r5, r1, #0, #FAR_SHIFT
#else
5:  ldr   r5, [r0, #MASK]
    ands  r7, r5
    ldr   r6, [r0, #TABLE]
    adds  r7, r6
    lsls  r5, r1, #32 - FAR_SHIFT
    lsrs  r5, #32 - FAR_SHIFT
#endif
    ldr   r6, [r7]
    cmp   r6, r4
    bne   6f
    ldr   r6, [r7, #4]
    bx    lr
6:  adds  r6, #1
    beq   7f
    ldr   r6, [r0, #TABLE]
    subs  r7, r6
    adds  r7, #FAR_STEP
    b     5b
7:  ldr   r6, [r0, #SIZE]               // a page that there is lies inside
    cmp   r1, r6
    bhs   far_trap
    ldr   r6, [r0, #HIGH]
    cmp   r1, r6
    blo   8f
16: adr   r6, far_zeros
    subs  r6, r5                        // not Z
    bx    lr
8:  ldr   r6, [r0, #LOW]
    cmp   r1, r6
    blo   16b
    subs  r6, r1, r6
    adds  r6, #INSTANCE_FAR
    adds  r6, r0
    subs  r6, r5
    cmp   r6, r6
    bx    lr
    .balign 4
far_zeros:
    .word 0, 0
    function_end far_find

// As far_find leaves it, not Z: the page is made. To r5, r6 as there; r4, r7 are changed.
    function far_make
    push  {r0, lr}
9:  ldr   r6, [r0, #LEFT]
    subs  r6, #1
    blo   10f
    str   r6, [r0, #LEFT]
    ldr   r6, [r0, #NEXT]
    str   r4, [r7]
    str   r6, [r7, #4]
    movs  r7, #1
    lsls  r7, #FAR_SHIFT
    adds  r7, r6
    str   r7, [r0, #NEXT]
    pop   {r0, pc}
10: str   r1, [r0, #ADDRESS]
    adds  r0, #INSTANCE_FAR
    push  {r0-r3}
#ifdef FPU
    vpush {d0-d7}
#endif
    mov   r4, r12
    movs  r1, #REQUEST_FAR_PAGE
    bl    insitu_host_call
    mov   r12, r4
#ifdef FPU
    vpop  {d0-d7}
#endif
    pop   {r0-r3}
    movs  r7, #0
    bl    far_find
    bne   9b
    pop   {r0, pc}
    function_end far_make

// r0: lowered, r1: address, r7: bytes. To r0, r4: the value's words. All bytes lie inside from here on.
    function far_load_bytes
    ldr   r4, [r0, #SIZE]
    subs  r4, r7
    cmp   r1, r4
    bhi   11f
    push  {r2, lr}
    adds  r0, #INSTANCE_FAR
    adds  r1, r7
    movs  r2, #0
    movs  r3, #0
12: subs  r1, #1
    push  {r0, r7}
    movs  r7, #0
    bl    far_find
    ldrb  r4, [r6, r5]
    pop   {r0, r7}
    lsls  r3, #8
    lsrs  r5, r2, #24
    orrs  r3, r5
    lsls  r2, #8
    orrs  r2, r4
    subs  r7, #1
    bne   12b
    mov   r0, r2
    mov   r4, r3
    pop   {r2, pc}
11: b     far_trap
    function_end far_load_bytes

// r0: lowered, r1: address, r2, r3: value, which are kept, r7: bytes.
    function far_store_bytes
    ldr   r4, [r0, #SIZE]
    subs  r4, r7
    cmp   r1, r4
    bhi   13f
    push  {r2, r3, r4, lr}
    adds  r0, #INSTANCE_FAR
14: push  {r0, r7}
    movs  r7, #0
    bl    far_find
    beq   15f
    bl    far_make
15: strb  r2, [r6, r5]
    pop   {r0, r7}
    lsrs  r2, #8
    lsls  r4, r3, #24
    orrs  r2, r4
    lsrs  r3, #8
    adds  r1, #1
    subs  r7, #1
    bne   14b
    pop   {r2, r3, r4, pc}
13: b     far_trap
    function_end far_store_bytes

    entries s8, push_store
    entries s16, push_store
    entries s32, push_store
    entries s64, push_store
