// memory.copy in place of compiler-rt's, which takes 3 instructions a byte where a CPU has no misaligned accesses, and
// 0.8 elsewhere. Memory is read in words that hold a byte of the source, so that no read can fault.
#include "helpers.h"

#if defined __ARM_FEATURE_UNALIGNED || defined __riscv_misaligned_fast
#define MISALIGNED 1
#else
#define MISALIGNED 0
#endif
#ifdef __riscv  // which has no instruction for several words: a loop of 32 bytes takes 0.63 instructions a byte
#define BLOCK 64
#else
#define BLOCK 32
#endif

typedef unsigned char byte;
typedef struct { u32 words[4]; } quad;  // to Arm's LDM and STM, which want alignment
typedef struct __attribute__((packed)) { u32 word; } loose;

static inline u32 low_bits(const void *at) { return (u32)at & 3; }
static inline u32 load(const byte *at) { return ((const loose *)at)->word; }
static inline void store(byte *at, u32 word) { ((loose *)at)->word = word; }

// Both aligned. All is loaded before anything is stored.
static inline void copy_quad(byte *to, const byte *from)
{
    *(quad *)to = (quad){{((const u32 *)from)[0], ((const u32 *)from)[1], ((const u32 *)from)[2], ((const u32 *)from)[3]}};
}

// Where only the destination is.
static inline void gather_quad(byte *to, const byte *from)
{
    *(quad *)to = (quad){{load(from), load(from + 4), load(from + 8), load(from + 12)}};
}

// Where it is, and there are no others: each word from the two that have its bytes. In functions of their own, for all
// eight registers that ARMv6-M reaches.
static __attribute__((noinline)) void merge_upwards(u32 *to, const byte *from, u32 n)
{
    u32 right = low_bits(from) * 8, left = opaque(32 - right);
    const u32 *words = (const u32 *)(from - low_bits(from)), *end = words + n / 4;
    for (u32 low = *words; words != end;) {
        u32 high = *++words;
        *to++ = low >> right | high << left;
        low = high;
    }
}

static __attribute__((noinline)) void merge_downwards(u32 *to, const byte *from, u32 n)
{
    u32 right = low_bits(from) * 8, left = opaque(32 - right);
    const u32 *words = (const u32 *)(from - low_bits(from)), *end = words - n / 4;
    for (u32 high = *words; words != end;) {
        u32 low = *--words;
        *--to = low >> right | high << left;
        high = low;
    }
}

// A block, a quad after the other: upwards, and downwards.
#define UPWARDS(quad, to, from)                                                                                        \
    do {                                                                                                               \
        quad(to, from);                                                                                                \
        quad(to + 16, from + 16);                                                                                      \
        if (BLOCK > 32) quad(to + 32, from + 32);                                                                      \
        if (BLOCK > 32) quad(to + 48, from + 48);                                                                      \
    } while (0)
#define DOWNWARDS(quad, to, from)                                                                                      \
    do {                                                                                                               \
        if (BLOCK > 32) quad(to + 48, from + 48);                                                                      \
        if (BLOCK > 32) quad(to + 32, from + 32);                                                                      \
        quad(to + 16, from + 16);                                                                                      \
        quad(to, from);                                                                                                \
    } while (0)

static void upwards(byte *to, const byte *from, u32 n)
{
    if (n >= BLOCK) {
        for (; low_bits(to); n--) *to++ = *from++;
        if (!low_bits(from)) {
            for (; n >= BLOCK; n -= BLOCK, to += BLOCK, from += BLOCK) {
                UPWARDS(copy_quad, to, from);
            }
        } else if (MISALIGNED) {
            for (; n >= BLOCK; n -= BLOCK, to += BLOCK, from += BLOCK) {
                UPWARDS(gather_quad, to, from);
            }
        } else {
            u32 most = n & ~3;
            merge_upwards((u32 *)to, from, most);
            to += most, from += most, n &= 3;
        }
    }
    if (MISALIGNED || !(low_bits(to) | low_bits(from)))
        for (; n >= 4; n -= 4, to += 4, from += 4) store(to, load(from));
    while (n--) *to++ = *from++;
}

// The same from the ends.
static void downwards(byte *to, const byte *from, u32 n)
{
    if (n >= BLOCK) {
        for (; low_bits(to); n--) *--to = *--from;
        if (!low_bits(from)) {
            for (; n >= BLOCK; n -= BLOCK) {
                to -= BLOCK, from -= BLOCK;
                DOWNWARDS(copy_quad, to, from);
            }
        } else if (MISALIGNED) {
            for (; n >= BLOCK; n -= BLOCK) {
                to -= BLOCK, from -= BLOCK;
                DOWNWARDS(gather_quad, to, from);
            }
        } else {
            u32 most = n & ~3;
            merge_downwards((u32 *)to, from, most);
            to -= most, from -= most, n &= 3;
        }
    }
    if (MISALIGNED || !(low_bits(to) | low_bits(from)))
        for (; n >= 4; n -= 4) store(to -= 4, load(from -= 4));
    while (n--) *--to = *--from;
}

void MOVE(byte *to, const byte *from, u32 n)
{
    if ((u32)(to - from) >= n)
        upwards(to, from, n);
    else
        downwards(to + n, from + n, n);
}

ALSO(MOVE, COPY)
#ifdef __arm__
ALSO(MOVE, __aeabi_memmove4)
ALSO(MOVE, __aeabi_memmove8)
ALSO(MOVE, __aeabi_memcpy4)
ALSO(MOVE, __aeabi_memcpy8)
#endif
