// f32.mul in place of compiler-rt's, which takes 1.3 times the instructions on Cortex-M3. IEEE 754-2019, 5.4.1, ties to
// even.
//
// A significand of 24 bits times one whose highest bit is that of 32: above the lower 32 bits there are 23 or 24.
#include "helpers.h"

#define SIGN 0x80000000
#define INFINITE 0x7F800000
#define QUIET 0x00400000
#define IMPLICIT 0x00800000
#define BELOW 8
#define BIAS 126

#define EXPONENT(a) ((a) >> 23 & 0xFF)

// a, b: significands of 24 bits; exponent: of the product, if that has as many above the lower 32.
static inline u32 product(u32 a, u32 b, int exponent, u32 sign)
{
    u64 whole = wide(a, b << BELOW);
    u32 kept = whole >> 32, below = whole, lost = 0;
    if (kept < IMPLICIT) {
        kept = kept << 1 | below >> 31;
        below <<= 1;
        exponent--;
    }
    if (unlikely((u32)(exponent - 1) >= 0xFE)) {
        if (exponent > 0) return sign | INFINITE;
        u32 shift = 1 - exponent;
        if (shift > 24) return sign;
        lost = below;
        below = kept << (32 - shift);
        kept >>= shift;
        exponent = 1;  // of a subnormal number, whose implicit bit is 0
    }
    kept += below >> 31;
    if (unlikely(below == 0x80000000 && lost == 0)) kept &= ~1;
    return kept + sign + ((u32)(exponent - 1) << 23);
}

// A product with zero, a subnormal number or what is no number.
static __attribute__((noinline)) u32 special_product_f32(u32 a, u32 b)
{
    u32 sign = (a ^ b) & SIGN;
    a &= ~SIGN;
    b &= ~SIGN;
    if (a < b) {
        u32 other = a;
        a = b;
        b = other;
    }
    if (a > INFINITE) return a | QUIET;
    if (b == 0) return a == INFINITE ? INFINITE | QUIET : sign;
    if (a == INFINITE) return INFINITE | sign;
    int exponent = EXPONENT(a);
    if (exponent == 0) return sign;  // of two subnormal numbers
    int shift = leading_zeros_32(b) - BELOW;
    return product(a & (IMPLICIT - 1) | IMPLICIT, b << shift, exponent + 1 - shift - BIAS, sign);
}

u32 MULTIPLY_F32(u32 a, u32 b)
{
    int exponent_a = EXPONENT(a), exponent_b = EXPONENT(b);
    if (unlikely((u32)(exponent_a - 1) >= 0xFE || (u32)(exponent_b - 1) >= 0xFE)) return special_product_f32(a, b);
    u32 sign = (a ^ b) & SIGN;
    return product(a & (IMPLICIT - 1) | IMPLICIT, b & (IMPLICIT - 1) | IMPLICIT, exponent_a + exponent_b - BIAS, sign);
}
