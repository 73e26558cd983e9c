// f64.div in place of compiler-rt's, which does not round subnormal quotients. IEEE 754-2019, 5.4.1, ties to even.
//
// Long division in two digits of 27 and 26 bits. A digit is the head of what is left times the divisor's reciprocal:
// never above the true digit and at most one below it. What is left is exact, modulo 2^64. Half a divisor is added
// to it before the second digit, so that the quotient comes out rounded.
#include "helpers.h"

#define SIGN 0x8000000000000000ull
#define INFINITE 0x7FF0000000000000ull
#define QUIET 0x0008000000000000ull
#define IMPLICIT 0x0010000000000000ull
#define DIGIT 26

// 2^62 / d for d from 2^30 to 2^31: not above 2^62 / (d + 1), and less than 2^-27 of itself below 2^62 / d.
// From 16 bits by one step of Newton's method, r + r * (1 - d * r). The error is taken 2 units of 2^-29 too small,
// which outweighs what is cut off from d and from the product.
static inline u32 reciprocal(u32 d)
{
    u32 r = reciprocal16(d >> 15);
    u32 error = (1 << 29) - 2 - high(d, r << 14);
    return (r << 15) + (r * error >> 14);
}

// quotient of 53 bits, rounded, with the sign of what was left (quotient too small, exact, too large),
// as a subnormal number: shift bits go.
static inline u64 subnormal(u64 quotient, long long left, u32 shift)
{
    if (shift > 54) return 0;
    quotient -= left < 0;
    u64 kept = quotient >> shift, lost = quotient << (64 - shift) | (left != 0);
    return kept + (lost + (kept & 1) > SIGN);
}

u64 DIVIDE_F64(u64 a, u64 b)
{
    u64 sign = (a ^ b) & SIGN;
    int exponent_a = (a >> 52 & 0x7FF) - 1, exponent_b = (b >> 52 & 0x7FF) - 1;
    if (unlikely((u32)exponent_a >= 0x7FE || (u32)exponent_b >= 0x7FE)) {
        a &= ~SIGN;
        b &= ~SIGN;
        if (a > INFINITE) return a | QUIET;
        if (b > INFINITE) return b | QUIET;
        if (a == b && (a == 0 || a == INFINITE)) return INFINITE | QUIET;
        if (a == INFINITE || b == 0) return sign | INFINITE;
        if (b == INFINITE || a == 0) return sign;
        if (exponent_a < 0) a <<= -(exponent_a = 11 - leading_zeros(a));
        if (exponent_b < 0) b <<= -(exponent_b = 11 - leading_zeros(b));
    }
    int exponent = exponent_a - exponent_b + 1022;
    a = (a & (IMPLICIT - 1) | IMPLICIT) << 10;
    b = (b & (IMPLICIT - 1) | IMPLICIT) << 10;
    int less = -(a < b);  // the quotient is from 1 to 2
    a += a & less;
    exponent += less;

    u32 inverse = reciprocal(b >> 32);
    u32 digit = high(a >> 32, inverse) >> 4;
    u64 left = (a << DIGIT) - multiply(b, digit);
    u64 quotient = (u64)digit << DIGIT;
    digit = (high(left >> 32, inverse) + 8) >> 4;
    left = (left << DIGIT) + (b >> 1) - multiply(b, digit);
    quotient += digit;
    int low = left >= b;

    // The implicit bit makes the exponent one more.
    if (likely((u32)exponent < 0x7FE)) return sign | (quotient + low + ((u64)exponent << 52));
    if (exponent >= 0) return sign | INFINITE;
    if (low) left -= b;
    return sign | subnormal(quotient + low, left - (b >> 1), -exponent);
}
