// memory.fill in place of compiler-rt's, which takes up to 0.8 instructions a byte.
#include "helpers.h"

typedef struct { u32 words[8]; } block;

static void fill(unsigned char *to, u32 n, u32 value)
{
    if (n >= 8) {
        u32 word = (value & 0xFF) * 0x01010101;
        for (; (u32)to & 3; n--) *to++ = (unsigned char)value;
        for (; n >= 32; n -= 32, to += 32) *(block *)to = (block){{word, word, word, word, word, word, word, word}};
        for (; n >= 4; n -= 4, to += 4) *(u32 *)to = word;
    }
    while (n--) *to++ = (unsigned char)value;
}

#ifdef __arm__
void __aeabi_memset(unsigned char *to, u32 n, u32 value) { fill(to, n, value); }
ALSO(__aeabi_memset, __aeabi_memset4)
ALSO(__aeabi_memset, __aeabi_memset8)
void __aeabi_memclr(unsigned char *to, u32 n) { fill(to, n, 0); }
ALSO(__aeabi_memclr, __aeabi_memclr4)
ALSO(__aeabi_memclr, __aeabi_memclr8)
#else
void memset(unsigned char *to, u32 value, u32 n) { fill(to, n, value); }
#endif
