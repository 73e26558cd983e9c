// ChaCha20 (RFC 8439) of 512 bytes.
#include "kernel.h"

enum { SIZE = 512, BLOCK = 64 };
static uint32_t key[8], nonce[3];
static uint8_t data[SIZE];

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(uint32_t counter, uint8_t *bytes)
{
    uint32_t first[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];
    for (int i = 0; i < 8; i++) first[4 + i] = key[i];
    first[12] = counter;
    for (int i = 0; i < 3; i++) first[13 + i] = nonce[i];
    for (int i = 0; i < 16; i++) s[i] = first[i];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++) quarter(s, i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; i++) quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int i = 0; i < 16; i++) {
        uint32_t word = s[i] + first[i];
        for (int k = 0; k < 4; k++) bytes[4 * i + k] ^= (uint8_t)(word >> 8 * k);
    }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 20, sum = 0;
    for (int i = 0; i < 8; i++) key[i] = next_random(&seed);
    for (int i = 0; i < SIZE; i++) data[i] = (uint8_t)i;
    while (n--) {
        nonce[0] = n;
        for (uint32_t i = 0; i < SIZE / BLOCK; i++) block(1 + i, &data[i * BLOCK]);
        for (int i = 0; i < SIZE; i++) sum = sum * 31 + data[i];
    }
    return sum;
}
