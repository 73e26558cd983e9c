// f64.promote_f32 in place of compiler-rt's, which leaves signaling NaNs signaling. IEEE 754-2019, 5.4.2 and 6.2.
#include "helpers.h"

#define REBIAS (1023 - 127)

u64 PROMOTE(u32 a)
{
    u32 sign = a & 0x80000000, magnitude = a & 0x7FFFFFFF;
    u32 word = magnitude >> 3;
    if (likely((magnitude >> 23) - 1 < 0xFE)) {
        word += REBIAS << 20;
    } else if (magnitude >= 0x7F800000) {
        word |= magnitude > 0x7F800000 ? 0x7FF80000 : 0x7FF00000;
    } else if (magnitude) {
        int shift = leading_zeros_32(magnitude) - 8;
        magnitude <<= shift;
        word = (magnitude >> 3) + ((REBIAS - shift) << 20);  // the implicit bit makes the exponent one more
    }
    return (u64)(sign | word) << 32 | (u32)(magnitude << 29);
}
