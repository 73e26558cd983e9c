// f64.mul in place of compiler-rt's, which takes 1.6 times the instructions on Cortex-M3. IEEE 754-2019, 5.4.1, ties to
// even.
//
// A significand of 53 bits times one whose highest bit is that of 64: above the lower 64 bits there are 52 or 53.
#include "helpers.h"

#define SIGN 0x80000000
#define INFINITE 0x7FF00000
#define QUIET 0x00080000
#define IMPLICIT 0x00100000
#define BELOW 11
#define BIAS 1022

#define EXPONENT(high) ((high) >> 20 & 0x7FF)
#define IS_SPECIAL(high) (((high) + IMPLICIT >> 21 & 0x3FF) == 0)  // 0 or 0x7FF

#ifdef __thumb2__
#define WORD(a) opaque(a)
#else
#define WORD(a) ((u32)(a))
#endif

// a, b: significands of 53 bits; exponent: of the product, if that has as many above the lower 64.
static inline u64 product(u64 a, u64 b, int exponent, u32 sign)
{
    u32 low_a = a, high_a = a >> 32, low_b = b << BELOW, high_b = b << BELOW >> 32;
    u64 lowest = wide(low_a, low_b);
    u64 first = wide(low_a, high_b) + (u32)(lowest >> 32);
    u64 second = wide(high_a, low_b) + WORD(first);
    u64 kept = wide(high_a, high_b) + WORD(first >> 32) + WORD(second >> 32);
    u32 below = second, lost = lowest;
    if ((u32)(kept >> 32) < IMPLICIT) {
        kept = kept << 1 | below >> 31;
        below <<= 1;
        exponent--;
    }
    if (unlikely((u32)(exponent - 1) >= 0x7FE)) {
        if (exponent > 0) return word(sign | INFINITE, 0);
        u32 shift = 1 - exponent;
        if (shift > 53) return word(sign, 0);
        u64 out = kept << (64 - shift);
        lost |= below | (u32)out;
        below = out >> 32;
        kept >>= shift;
        exponent = 1;  // of a subnormal number, whose implicit bit is 0
    }
    kept += below >> 31;
    if (unlikely(below == 0x80000000 && lost == 0)) kept &= ~1ull;
    return kept + word(sign + ((u32)(exponent - 1) << 20), 0);
}

// A product with zero, a subnormal number or what is no number.
static __attribute__((noinline)) u64 special_product_f64(u64 a, u64 b)
{
    const u64 infinite = word(INFINITE, 0), invalid = word(INFINITE | QUIET, 0);
    u32 sign = (u32)(a >> 32 ^ b >> 32) & SIGN;
    a &= ~word(SIGN, 0);
    b &= ~word(SIGN, 0);
    if (a < b) {
        u64 other = a;
        a = b;
        b = other;
    }
    if (a > infinite) return a | invalid;
    if (b == 0) return a == infinite ? invalid : word(sign, 0);
    if (a == infinite) return infinite | word(sign, 0);
    int exponent = EXPONENT((u32)(a >> 32));
    if (exponent == 0) return word(sign, 0);  // of two subnormal numbers
    u32 shift = leading_zeros(b) - BELOW;
    a = a & (word(IMPLICIT, 0) - 1) | word(IMPLICIT, 0);
    return product(a, b << shift, exponent + 1 - (int)shift - BIAS, sign);
}

u64 MULTIPLY_F64(u64 a, u64 b)
{
    u32 word_a = a >> 32, word_b = b >> 32;
    if (unlikely(IS_SPECIAL(word_a) || IS_SPECIAL(word_b))) return special_product_f64(a, b);
    a = word(word_a & (IMPLICIT - 1) | IMPLICIT, (u32)a);
    b = word(word_b & (IMPLICIT - 1) | IMPLICIT, (u32)b);
    return product(a, b, (int)(EXPONENT(word_a) + EXPONENT(word_b)) - BIAS, (word_a ^ word_b) & SIGN);
}
