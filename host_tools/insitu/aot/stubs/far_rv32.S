# RV32IMC: accesses to linear memory outside of its window (aot/window.py). An entry, insitu_far_KIND_OFFSET: a0:
# instance, a1: address, a2 (of 64 bits, a3): value to store. All registers but the result's, a0 (of 64 bits, a1), and
# ra are kept. The names of offsets are those of port/xip/layout.py, which come as -D options.
    .option norelax

    .macro function name
    .type \name, @function
    .balign 2
\name:
    .endm
    .macro function_end name
    .size \name, . - \name
    .endm

    .macro entries name
    .altmacro
    .set offset, 0
    .rept FAR_OFFSETS
    entry \name, %offset
    .set offset, offset + 1
    .endr
    .noaltmacro
    .endm
    .macro entry name, offset
    .section .text.insitu_far_\name\()_\offset, "ax", @progbits
    .global insitu_far_\name\()_\offset
    function insitu_far_\name\()_\offset
    addi  sp, sp, -32
    sw    t0, 0(sp)
    addi  t0, a1, \offset
    j     insitu_far_\name
    function_end insitu_far_\name\()_\offset
    .endm

# The page of t0, the address: to t3; to t1: the address's place in it. What it takes where the page is not in its first
# slot is in `missed`, which leads on to absent where there is none.
    .macro find
10: srli  t1, t0, FAR_SHIFT
    srli  t2, t1, FAR_HASH_SHIFT
    add   t2, t2, t1
    slli  t2, t2, 3
11: lw    t3, -FAR_MASK(a0)
    and   t2, t2, t3
    lw    t3, -FAR_TABLE(a0)
    add   t3, t3, t2
    lw    t2, 0(t3)
    bne   t2, t1, 12f
    lw    t3, 4(t3)
13: andi  t1, t0, FAR_PAGE - 1
    .endm
    .macro missed absent
12: bltz  t2, 14f                       # an empty slot; pages' numbers are none below 0
    lw    t2, -FAR_TABLE(a0)
    sub   t2, t3, t2
    addi  t2, t2, FAR_STEP
    j     11b
14: lw    t2, -INSTANCE_MEMORY_SIZE(a0) # a page that there is lies inside
    bgeu  t0, t2, 15f
    lw    t2, -FAR_HIGH(a0)
    bgeu  t0, t2, \absent
    lw    t2, -FAR_LOW(a0)
    bltu  t0, t2, \absent
    andi  t1, t0, FAR_PAGE - 1
    sub   t2, t0, t2
    add   t3, a0, t2
    sub   t3, t3, t1
    j     13b
    .endm

    .macro begin name
    .section .text.insitu_far_\name, "ax", @progbits
    function insitu_far_\name
    sw    t1, 4(sp)
    sw    t2, 8(sp)
    sw    t3, 12(sp)
    bltu  t0, a1, 15f
    lw    t1, -FAR_COUNT(a0)
    addi  t1, t1, 1
    sw    t1, -FAR_COUNT(a0)
    .endm
    .macro end
    lw    t0, 0(sp)
    lw    t1, 4(sp)
    lw    t2, 8(sp)
    lw    t3, 12(sp)
    addi  sp, sp, 32
    ret
    .endm

# To slow where the access lies over a page's end, or the CPU does not take its address; 15 traps. A page may reach over
# the memory's end where that is no whole number of pages.
    .macro whole width, slow
#ifdef ENDS_INSIDE
    lw    t2, -INSTANCE_MEMORY_SIZE(a0)
    bgeu  t0, t2, 15f
    sub   t2, t2, t0
    sltiu t2, t2, \width
    bnez  t2, 15f
#endif
    .if \width > 1
    li    t2, FAR_PAGE - \width
    bltu  t2, t1, \slow
#ifndef UNALIGNED
    .if \width > 2
    andi  t2, t1, 3
    .else
    andi  t2, t1, 1
    .endif
    bnez  t2, \slow
#endif
    .endif
    .endm

    .macro load name, width, instruction, bits=0
    entries \name
    begin \name
    find
    whole \width, 17f
    add   t3, t3, t1
    \instruction a0, 0(t3)
    .if \width == 8
    lw    a1, 4(t3)
    .endif
18: end
    missed 16f
16: andi  t1, t0, FAR_PAGE - 1          # never written
    whole \width, 17f
    li    a0, 0
    .if \width == 8
    li    a1, 0
    .endif
    end
15: j     far_trap
    .if \width > 1
17: sw    ra, 16(sp)
    li    t1, \width
    jal   far_load_bytes
    lw    ra, 16(sp)
    .if \bits
    slli  a0, a0, \bits
    srai  a0, a0, \bits
    .endif
    .if \width == 8
    mv    a1, t3
    .endif
    j     18b
    .endif
    function_end insitu_far_\name
    .endm

    .macro store name, width, instruction
    entries \name
    begin \name
    find
    whole \width, 17f
    add   t3, t3, t1
    \instruction a2, 0(t3)
    .if \width == 8
    sw    a3, 4(t3)
    .endif
18: end
    missed 16f
16: sw    ra, 16(sp)
    jal   far_make
    lw    ra, 16(sp)
    j     13b
15: j     far_trap
    .if \width > 1
17: sw    ra, 16(sp)
    li    t1, \width
    jal   far_store_bytes
    lw    ra, 16(sp)
    j     18b
    .endif
    function_end insitu_far_\name
    .endm

    load  l8u, 1, lbu
    load  l8s, 1, lb
    load  l16u, 2, lhu
    load  l16s, 2, lh, 16
    load  l32, 4, lw
    load  l64, 8, lw
    store s8, 1, sb
    store s16, 2, sh
    store s32, 4, sw
    store s64, 8, sw

    .section .text.insitu_far, "ax", @progbits
# ra: in the function that made the access
    function far_trap
    li    a1, TRAP_OUT_OF_BOUNDS_MEMORY
    j     insitu_trap
    function_end far_trap

# a0: instance, t0: address, t3: an empty slot, its own. To t3: the page, which is made.
    function far_make
    lw    t1, -FAR_LEFT(a0)
2:  beqz  t1, 1f
    addi  t1, t1, -1
    sw    t1, -FAR_LEFT(a0)
    lw    t1, -FAR_NEXT(a0)
    srli  t2, t0, FAR_SHIFT
    sw    t2, 0(t3)
    sw    t1, 4(t3)
    mv    t3, t1
    addi  t1, t1, FAR_PAGE
    sw    t1, -FAR_NEXT(a0)
    ret
1:  sw    t0, -FAR_ADDRESS(a0)
    addi  sp, sp, -64
    sw    ra, 0(sp)
    sw    a0, 4(sp)
    sw    a1, 8(sp)
    sw    a2, 12(sp)
    sw    a3, 16(sp)
    sw    a4, 20(sp)
    sw    a5, 24(sp)
    sw    a6, 28(sp)
    sw    a7, 32(sp)
    sw    t0, 36(sp)
    sw    t4, 40(sp)
    sw    t5, 44(sp)
    sw    t6, 48(sp)
    li    a1, REQUEST_FAR_PAGE
    jal   insitu_host_call
    lw    a0, 4(sp)
    lw    a1, 8(sp)
    lw    a2, 12(sp)
    lw    a3, 16(sp)
    lw    a4, 20(sp)
    lw    a5, 24(sp)
    lw    a6, 28(sp)
    lw    a7, 32(sp)
    lw    t0, 36(sp)
    lw    t4, 40(sp)
    lw    t5, 44(sp)
    lw    t6, 48(sp)
    jal   far_byte
    mv    t3, t2
    lw    ra, 0(sp)
    addi  sp, sp, 64
    lw    t1, -FAR_LEFT(a0)
    j     2b
    function_end far_make

# a0: instance, t0: address. To t3: where the byte is, 0: nowhere, and then t2: an empty slot. The byte lies inside.
    function far_byte
    find
    add   t3, t3, t1
    ret
    missed 2f
2:  mv    t2, t3
15: li    t3, 0
    ret
    function_end far_byte

# a0: instance, t0: address, t1: bytes. To a0, t3: the value's words.
    function far_load_bytes
    lw    t2, -INSTANCE_MEMORY_SIZE(a0)
    sub   t2, t2, t1
    bltu  t2, t0, 5f
    addi  sp, sp, -32
    sw    ra, 0(sp)
    sw    a1, 4(sp)
    sw    a2, 8(sp)
    sw    a3, 12(sp)
    add   a1, t0, t1                    # the byte behind the next one
    sw    t0, 16(sp)
    li    a2, 0
    li    a3, 0
3:  addi  a1, a1, -1
    mv    t0, a1
    jal   far_byte
    li    t1, 0
    beqz  t3, 4f
    lbu   t1, 0(t3)
4:  slli  a3, a3, 8
    srli  t2, a2, 24
    or    a3, a3, t2
    slli  a2, a2, 8
    or    a2, a2, t1
    lw    t1, 16(sp)
    bne   a1, t1, 3b
    mv    a0, a2
    mv    t3, a3
    lw    ra, 0(sp)
    lw    a1, 4(sp)
    lw    a2, 8(sp)
    lw    a3, 12(sp)
    addi  sp, sp, 32
    ret
5:  lw    ra, 16(sp)
    j     far_trap
    function_end far_load_bytes

# a0: instance, t0: address, t1: bytes, a2, a3: value.
    function far_store_bytes
    lw    t2, -INSTANCE_MEMORY_SIZE(a0)
    sub   t2, t2, t1
    bltu  t2, t0, 8f
    addi  sp, sp, -32
    sw    ra, 0(sp)
    sw    a2, 4(sp)
    sw    a3, 8(sp)
    add   t1, t0, t1
    sw    t1, 12(sp)
6:  jal   far_byte
    bnez  t3, 7f
    mv    t3, t2
    jal   far_make
    j     6b
7:  sb    a2, 0(t3)
    srli  a2, a2, 8
    slli  t1, a3, 24
    or    a2, a2, t1
    srli  a3, a3, 8
    addi  t0, t0, 1
    lw    t1, 12(sp)
    bne   t0, t1, 6b
    lw    ra, 0(sp)
    lw    a2, 4(sp)
    lw    a3, 8(sp)
    addi  sp, sp, 32
    ret
8:  lw    ra, 16(sp)
    j     far_trap
    function_end far_store_bytes
