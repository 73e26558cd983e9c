// What every kernel has: one export, run(n), which does its work n times over and returns a checksum.
#include <stdint.h>
#ifdef __wasm__
#define EXPORT __attribute__((export_name("run")))
#else
#define EXPORT __attribute__((used))
#endif
uint32_t run(uint32_t n);

// Numerical Recipes' linear congruential generator: the same input everywhere.
static inline uint32_t next_random(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}
