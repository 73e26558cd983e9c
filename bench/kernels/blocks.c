// Blocks of many sizes copied, moved over themselves, filled and cleared, as buffers and records are.
#include "kernel.h"

enum { SIZE = 1024 };
struct record { uint32_t words[6]; };
static uint8_t from[SIZE], to[SIZE];
static struct record records[16];

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 23, sum = 0;
    for (int i = 0; i < SIZE; i++) from[i] = (uint8_t)(next_random(&seed) >> 24);
    while (n--) {
        for (uint32_t size = 1; size <= SIZE; size += size / 2 + 1) {
            uint32_t at = (next_random(&seed) >> 22) % (SIZE - size + 1);
            __builtin_memcpy(to + at, from + (SIZE - size - at) / 2 % SIZE, size);
            __builtin_memset(to + at, (int)size, size / 4);
            __builtin_memmove(to, to + at, size);
        }
        for (int i = 0; i < 15; i++) {
            records[i].words[i % 6] ^= seed;
            records[i + 1] = records[i];
        }
        __builtin_memcpy(from, to, SIZE);
        sum = sum * 31 + records[15].words[n % 6];
        for (int i = 0; i < SIZE; i += 16) sum = sum * 31 + to[i];
    }
    return sum;
}
