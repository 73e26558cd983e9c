// f32.div in place of compiler-rt's, which does not round subnormal quotients. IEEE 754-2019, 5.4.1, ties to even.
//
// Long division in two digits of 12 bits. A digit is the head of what is left times the divisor's reciprocal: never
// above the true digit and at most one below it. What is left is exact, modulo 2^32. Half a divisor is added to it
// before the second digit, so that the quotient comes out rounded.
#include "helpers.h"

#define SIGN 0x80000000
#define INFINITE 0x7F800000
#define QUIET 0x00400000
#define IMPLICIT 0x00800000
#define DIGIT 12

// quotient of 24 bits, rounded, with the sign of what was left (quotient too small, exact, too large),
// as a subnormal number: shift bits go.
static inline u32 subnormal(u32 quotient, int left, u32 shift)
{
    if (shift > 25) return 0;
    quotient -= left < 0;
    u32 kept = quotient >> shift, lost = quotient << (32 - shift) | (left != 0);
    return kept + (lost + (kept & 1) > SIGN);
}

u32 DIVIDE_F32(u32 a, u32 b)
{
    u32 sign = (a ^ b) & SIGN;
    int exponent_a = (a >> 23 & 0xFF) - 1, exponent_b = (b >> 23 & 0xFF) - 1;
    if (unlikely((u32)exponent_a >= 0xFE || (u32)exponent_b >= 0xFE)) {
        a &= ~SIGN;
        b &= ~SIGN;
        if (a > INFINITE) return a | QUIET;
        if (b > INFINITE) return b | QUIET;
        if (a == b && (a == 0 || a == INFINITE)) return INFINITE | QUIET;
        if (a == INFINITE || b == 0) return sign | INFINITE;
        if (b == INFINITE || a == 0) return sign;
        if (exponent_a < 0) a <<= -(exponent_a = 8 - leading_zeros_32(a));
        if (exponent_b < 0) b <<= -(exponent_b = 8 - leading_zeros_32(b));
    }
    int exponent = exponent_a - exponent_b + 126;
    a = a & (IMPLICIT - 1) | IMPLICIT;
    b = b & (IMPLICIT - 1) | IMPLICIT;
    int less = -(a < b);  // the quotient is from 1 to 2
    a += a & less;
    exponent += less;

    u32 inverse = reciprocal16(b >> 8);  // 2^40 / b
    u32 digit = (a >> 10) * inverse >> 19;
    u32 left = (a << (DIGIT - 1)) - digit * b;
    u32 quotient = digit << DIGIT;
    digit = ((left >> 10) * inverse + (1 << 17)) >> 18;
    left = (left << DIGIT) + (b >> 1) - digit * b;
    quotient += digit;
    int low = left >= b;

    // The implicit bit makes the exponent one more.
    if (likely((u32)exponent < 0xFE)) return sign | (quotient + low + ((u32)exponent << 23));
    if (exponent >= 0) return sign | INFINITE;
    if (low) left -= b;
    return sign | subnormal(quotient + low, left - (b >> 1), -exponent);
}
