// Saturating conversions to integers that the CPU has no instruction for, WebAssembly's trunc_sat: LLVM writes out
// three comparisons around each. Called by these names, with a float's bits, from aot/numeric.py.
#include "helpers.h"

// significand: of 1 to 2, the highest bit of the result's type being 1.
#define TRUNCATE(result, bits, fraction, bias, is_signed, significand)                                                 \
    const int last = 8 * sizeof(result) - 1;                                                                           \
    int exponent = (int)(a >> fraction & (2 * bias + 1)) - bias;                                                       \
    u32 negative = a >> (8 * sizeof(bits) - 1);                                                                        \
    if (unlikely(exponent > last - is_signed)) {                                                                       \
        if (a << 1 > (bits)(2 * bias + 1) << (fraction + 1)) return 0;                                                 \
        return is_signed ? ((result)1 << last) - !negative : (result)negative - 1;                                     \
    }                                                                                                                  \
    if (exponent < 0 || (!is_signed && negative)) return 0;                                                            \
    result magnitude = ((result)(significand) | (result)1 << last) >> (last - exponent);                               \
    return is_signed && negative ? -magnitude : magnitude;

#define FROM_F32(name, result, is_signed, significand)                                                                 \
    result name(u32 a) { TRUNCATE(result, u32, 23, 127, is_signed, significand) }
#define FROM_F64(name, result, is_signed, significand)                                                                 \
    result name(u64 a) { TRUNCATE(result, u64, 52, 1023, is_signed, significand) }

FROM_F32(insitu_i32_trunc_sat_f32_s, u32, 1, a << 8)
FROM_F32(insitu_i32_trunc_sat_f32_u, u32, 0, a << 8)
FROM_F32(insitu_i64_trunc_sat_f32_s, u64, 1, (u64)a << 40)
FROM_F32(insitu_i64_trunc_sat_f32_u, u64, 0, (u64)a << 40)
FROM_F64(insitu_i32_trunc_sat_f64_s, u32, 1, a >> 21)
FROM_F64(insitu_i32_trunc_sat_f64_u, u32, 0, a >> 21)
FROM_F64(insitu_i64_trunc_sat_f64_s, u64, 1, a << 11)
FROM_F64(insitu_i64_trunc_sat_f64_u, u64, 0, a << 11)
