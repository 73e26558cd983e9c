// LZ77: a text packed through a hash of three bytes into literals and (distance, length), and unpacked.
#include "kernel.h"

enum { SIZE = 1024, HASHES = 256, SHORTEST = 3, LONGEST = 66 };
static uint8_t text[SIZE], packed[SIZE + SIZE / 8 + 8], unpacked[SIZE + LONGEST];
static int16_t last[HASHES];

static uint32_t hash(const uint8_t *p)
{
    return ((uint32_t)p[0] * 2654435761u ^ (uint32_t)p[1] * 40503u ^ (uint32_t)p[2] * 97u) >> 3 & (HASHES - 1);
}

static uint32_t pack(void)
{
    uint32_t out = 0;
    for (int i = 0; i < HASHES; i++) last[i] = -1;
    for (int at = 0; at < SIZE;) {
        int length = 0, distance = 0;
        if (at + SHORTEST <= SIZE) {
            int16_t *slot = &last[hash(&text[at])];
            if (*slot >= 0 && at - *slot < 1 << 14) {
                distance = at - *slot;
                while (length < LONGEST && at + length < SIZE && text[at + length] == text[*slot + length]) length++;
            }
            *slot = (int16_t)at;
        }
        if (length >= SHORTEST) {
            packed[out++] = (uint8_t)(0x80 | (length - SHORTEST));
            packed[out++] = (uint8_t)distance;
            packed[out++] = (uint8_t)(distance >> 8);
            at += length;
        } else {
            packed[out++] = text[at++];
        }
    }
    return out;
}

static uint32_t unpack(uint32_t size)
{
    uint8_t *to = unpacked;
    for (const uint8_t *from = packed; from < packed + size;) {
        uint32_t first = *from++;
        if (first < 0x80) {
            *to++ = (uint8_t)first;
            continue;
        }
        const uint8_t *source = to - (from[0] | from[1] << 8);
        from += 2;
        for (uint32_t length = (first & 0x7f) + SHORTEST; length; length--) *to++ = *source++;
    }
    return (uint32_t)(to - unpacked);
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 16, sum = 0;
    while (n--) {
        for (int i = 0; i < SIZE;) {
            uint32_t from = next_random(&seed) >> 22, length = 1 + (next_random(&seed) >> 28);
            for (; length && i < SIZE; length--, i++)
                text[i] = from < (uint32_t)i ? text[from++] : (uint8_t)(97 + (next_random(&seed) >> 28));
        }
        uint32_t size = pack();
        sum = sum * 31 + size + unpack(size);
        for (int i = 0; i < SIZE; i++) sum = sum * 31 + (unpacked[i] ^ text[i]) + unpacked[i];
    }
    return sum;
}
