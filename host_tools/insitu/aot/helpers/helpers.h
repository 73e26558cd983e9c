// What the helpers share: the names that LLVM calls them by, and arithmetic in 32-bit words.
// Arguments and results are bit patterns: with soft floats they are passed as integers are.
#pragma once

typedef unsigned u32;
typedef unsigned long long u64;

#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#ifdef __arm__  // Run-time ABI for the Arm Architecture, 5.1.2
#define ADD_F64 __aeabi_dadd
#define SUBTRACT_F64 __aeabi_dsub
#define MULTIPLY_F64 __aeabi_dmul
#define ADD_F32 __aeabi_fadd
#define SUBTRACT_F32 __aeabi_fsub
#define MULTIPLY_F32 __aeabi_fmul
#define DIVIDE_F64 __aeabi_ddiv
#define DIVIDE_F32 __aeabi_fdiv
#define PROMOTE __aeabi_f2d
#define MOVE __aeabi_memmove
#define COPY __aeabi_memcpy
#else
#define ADD_F64 __adddf3
#define SUBTRACT_F64 __subdf3
#define MULTIPLY_F64 __muldf3
#define ADD_F32 __addsf3
#define SUBTRACT_F32 __subsf3
#define MULTIPLY_F32 __mulsf3
#define DIVIDE_F64 __divdf3
#define DIVIDE_F32 __divsf3
#define PROMOTE __extendsfdf2
#define MOVE memmove
#define COPY memcpy
#endif

// One more name of a function.
#define ALSO(function, name) extern __typeof(function) name ALIAS(function);
#define ALIAS(function) __attribute__((alias(#function)))

// Of a number that is not zero.
static inline int leading_zeros_32(u32 a) { return __builtin_clz(a); }

static inline int leading_zeros_64(u64 a)
{
    u32 head = a >> 32;
    return (head ? 0 : 32) + leading_zeros_32(head ? head : (u32)a);
}

#ifdef __ARM_FEATURE_CLZ
#define leading_zeros leading_zeros_64
#else  // 30 instructions
#define leading_zeros insitu_leading_zeros
int leading_zeros(u64 a);
#endif

static inline u64 word(u32 high, u32 low) { return (u64)high << 32 | low; }

// The product of 64 bits.
static inline u64 wide(u32 a, u32 b)
{
#ifdef __ARM_ARCH_6M__  // its only multiplication gives 32 bits
    u32 low_a = a & 0xFFFF, high_a = a >> 16, low_b = b & 0xFFFF, high_b = b >> 16;
    u32 low = low_a * low_b, cross = high_a * low_b, sum = low_a * high_b + (low >> 16) + cross;
    u32 high = high_a * high_b + (sum >> 16) + ((u32)(sum < cross) << 16);
    return (u64)high << 32 | (sum << 16 | (low & 0xFFFF));
#else
    return (u64)a * b;
#endif
}

// A word of which LLVM knows nothing from here on. Where two shifts are a rotation of 64 bits it takes four
// instructions more, and of a sum of products it works out each word apart, with some products twice.
static inline u32 opaque(u32 a)
{
    __asm__("" : "+r"(a));
    return a;
}

// The product's high word.
static inline u32 high(u32 a, u32 b) { return wide(a, b) >> 32; }

// The product modulo 2^64.
static inline u64 multiply(u64 a, u32 b) { return wide((u32)a, b) + ((u64)((u32)(a >> 32) * b) << 32); }

// (2^32 - 16) / (d + 1), for d of 16 bits of which the highest is set.
static inline u32 reciprocal16(u32 d)
{
    u32 n = d + 1;
#ifdef __ARM_ARCH_6M__  // cannot divide
    // Newton's method, r + r * (1 - n * r), from sqrt(2) - n / 2: never above; at most 0.172 of it below at first, then
    // the square of that, and so on. What an error's bits are cut to leaves the product within 32.
    u32 r = 185363 - 2 * n;
    r += (-(n * r) >> 15) * r >> 17;
    r += (-(n * r) >> 12) * r >> 20;
    r += (-(n * r) >> 7) * r >> 25;
    r--;
    for (u32 left = 0xFFFFFFF0 - n * r; left >= n; left -= n) r++;
    return r;
#else
    return 0xFFFFFFF0 / n;
#endif
}
