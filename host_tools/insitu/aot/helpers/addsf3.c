// f32.add and f32.sub in place of compiler-rt's, which take 1.5 times the instructions on Cortex-M3. IEEE 754-2019,
// 5.4.1, ties to even.
//
// Significands have their highest bit in the highest but one of 32, so that 7 bits below are there to round by; of what
// is shifted out of those, it is only known whether it is 0.
#include "helpers.h"

#define SIGN 0x80000000
#define INFINITE 0x7F800000
#define QUIET 0x00400000
#define HIGHEST 0x40000000
#define BELOW 7

#define EXPONENT(a) ((a) >> 23 & 0xFF)

static inline u32 rounded(u32 significand, u32 exponent, u32 sign)
{
    u32 kept = (significand >> BELOW) + (significand >> (BELOW - 1) & 1);
    if (unlikely(significand << (32 - BELOW) == 0x80000000)) kept &= ~1;
    return kept + sign + ((exponent - 1) << 23);
}

// With what is no number, zero, or two subnormal numbers; the larger one is the first.
static __attribute__((noinline)) u32 special_sum_f32(u32 a, u32 b)
{
    u32 size_a = a & ~SIGN, size_b = b & ~SIGN;
    if (size_a > INFINITE) return a | QUIET;
    if (size_a == INFINITE) return a == (b ^ SIGN) ? INFINITE | QUIET : a;
    if (size_b == 0) return size_a ? a : a & b;
    if ((a ^ b) & SIGN) return size_a == size_b ? 0 : a - size_b;
    return a + size_b;
}

u32 ADD_F32(u32 a, u32 b)
{
    if (a << 1 < b << 1) {
        u32 other = a;
        a = b;
        b = other;
    }
    u32 exponent = EXPONENT(a), exponent_b = EXPONENT(b), sign = a & SIGN;
    u32 big = (a << BELOW | HIGHEST) & ~SIGN, small = (b << BELOW | HIGHEST) & ~SIGN;
    if (unlikely(exponent_b == 0 || exponent == 0xFF)) {
        small &= ~HIGHEST;
        if (small == 0 || exponent == 0 || exponent == 0xFF) return special_sum_f32(a, b);
        exponent_b = 1;
    }
    u32 shift = exponent - exponent_b;
    small = shift < 32 ? small >> shift | (small << (31 - shift) << 1 != 0) : 1;
    u32 left;
    if ((a ^ b) >> 31 == 0) {
        left = big + small;
        if (left >> 31) {
            left = left >> 1 | (left & 1);
            exponent++;
            if (unlikely(exponent == 0xFF)) return sign | INFINITE;
        }
    } else {
        left = big - small;
        if (left < HIGHEST) {
            if (left == 0) return 0;
            u32 zeros = leading_zeros_32(left) - 1;
            if (unlikely(zeros >= exponent)) return left << (exponent - 1) >> BELOW | sign;
            left <<= zeros;
            exponent -= zeros;
        }
    }
    return rounded(left, exponent, sign);
}

u32 SUBTRACT_F32(u32 a, u32 b) { return ADD_F32(a, b ^ SIGN); }
