// 64-bit integers on a 32-bit core: xorshift128+, modular powers, division, shifts.
#include "kernel.h"

static uint64_t s0, s1;

static uint64_t next(void)
{
    uint64_t a = s0, b = s1;
    s0 = b;
    a ^= a << 23;
    s1 = a ^ b ^ a >> 17 ^ b >> 26;
    return s1 + b;
}

static uint64_t power(uint64_t base, uint32_t exponent, uint64_t modulus)
{
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

static uint32_t pairs(uint64_t x)
{
    uint32_t n = 0;
    for (; x; x >>= 2) n += (uint32_t)x & 3;
    return n;
}

EXPORT uint32_t run(uint32_t n)
{
    uint64_t sum = 0;
    s0 = 0x0123456789abcdefu, s1 = 0xfedcba9876543210u;
    while (n--) {
        for (int i = 0; i < 40; i++) {
            uint64_t x = next();
            sum += pairs(x);
            sum = (sum << 7 | sum >> 57) ^ x * 0x9e3779b97f4a7c15u;
            if ((int64_t)x < (int64_t)sum) sum -= x >> (i & 31);
        }
        sum += power(next() & 0xffffff, (uint32_t)next() & 0xffff, 0x7fffffffu - (n & 6));
    }
    return (uint32_t)(sum ^ sum >> 32);
}
