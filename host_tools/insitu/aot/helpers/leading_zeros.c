// For CPUs that do not count them in an instruction: once for all who do.
#include "helpers.h"

#ifndef __ARM_FEATURE_CLZ
int leading_zeros(u64 a) { return leading_zeros_64(a); }
#endif
