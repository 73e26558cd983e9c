// f64.add and f64.sub in place of compiler-rt's, which take 1.8 times the instructions on Cortex-M3. IEEE 754-2019,
// 5.4.1, ties to even.
//
// Significands have their highest bit in the highest of 64, so that 11 bits below are there to round by; of what is
// shifted out of those, it is only known whether it is 0.
#include "helpers.h"

#define SIGN 0x80000000
#define INFINITE 0x7FF00000
#define QUIET 0x00080000
#define HIGHEST 0x8000000000000000ull
#define BELOW 11

#define EXPONENT(high) ((high) >> 20 & 0x7FF)

static inline u64 rounded(u64 significand, u32 exponent, u32 sign)
{
    u64 kept = significand >> BELOW;
    kept += (u32)significand >> (BELOW - 1) & 1;
    if (unlikely((u32)significand << (32 - BELOW) == 0x80000000)) kept &= ~1ull;
    return kept + word(sign + ((exponent - 1) << 20), 0);
}

// shift is what it is to be shifted right by; the lowest bit of what is left is 1 where others are lost.
static inline u64 shifted(u64 significand, u32 shift)
{
    u32 high = significand >> 32, low = significand, lost;
    if (likely(shift < 32)) {
        lost = low << (31 - shift) << 1;
        low = low >> shift | high << (31 - shift) << 1;
        high >>= shift;
    } else {
        shift -= 32;
        lost = shift < 32 ? low | high << (31 - shift) << 1 : 1;
        low = shift < 32 ? high >> shift : 0;
        high = 0;
    }
    return word(high, low | (lost != 0));
}

// With what is no number, zero, or two subnormal numbers.
static __attribute__((noinline)) u64 special_sum_f64(u64 a, u64 b)
{
    const u64 infinite = word(INFINITE, 0), invalid = word(INFINITE | QUIET, 0);
    if (a << 1 < b << 1) {  // ADD_F64 has compared their upper words
        u64 other = a;
        a = b;
        b = other;
    }
    u64 size_a = a & ~HIGHEST, size_b = b & ~HIGHEST;
    if (size_a > infinite) return a | word(QUIET, 0);
    if (size_a == infinite) return a == (b ^ HIGHEST) ? invalid : a;
    if (size_b == 0) return size_a ? a : a & b;
    if ((a ^ b) & HIGHEST) return size_a == size_b ? 0 : a - size_b;
    return a + size_b;
}

u64 ADD_F64(u64 a, u64 b)
{
    if ((u32)(a >> 32) << 1 < (u32)(b >> 32) << 1) {
        u64 other = a;
        a = b;
        b = other;
    }
    u32 high = a >> 32, exponent = EXPONENT(high), exponent_b = EXPONENT((u32)(b >> 32)), sign = high & SIGN;
    u64 big = a << BELOW | HIGHEST, small = b << BELOW | HIGHEST;
    if (unlikely(exponent_b == 0 || exponent == 0x7FF)) {
        small &= ~HIGHEST;
        if (small == 0 || exponent == 0 || exponent == 0x7FF) return special_sum_f64(a, b);
        exponent_b = 1;
    }
    small = shifted(small, exponent - exponent_b);
    if ((high ^ (u32)(b >> 32)) >> 31 == 0) {
        u64 all = big + small;
        if (all < big) {
            all = HIGHEST | all >> 1 | (all & 1);
            exponent++;
            if (unlikely(exponent == 0x7FF)) return word(sign | INFINITE, 0);
        }
        return rounded(all, exponent, sign);
    }
    u64 left = big - small;
    if (unlikely(big < small)) {  // they differ in the lower words alone
        left = -left;
        sign ^= SIGN;
    }
    if (left >> 63 == 0) {
        if (left == 0) return 0;
        u32 zeros = leading_zeros(left);
        if (unlikely(zeros >= exponent)) return left << (exponent - 1) >> BELOW | word(sign, 0);
        left <<= zeros;
        exponent -= zeros;
    }
    return rounded(left, exponent, sign);
}

u64 SUBTRACT_F64(u64 a, u64 b) { return ADD_F64(a, b ^ HIGHEST); }
