// For CPUs that do not count them in an instruction: once for all who do.
#include "helpers.h"

#ifndef __ARM_FEATURE_CLZ
int leading_zeros(u64 a)
{
    u32 head = a >> 32;
    return (head ? 0 : 32) + leading_zeros_32(head ? head : (u32)a);
}
#endif
