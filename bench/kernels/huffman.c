// Canonical Huffman codes (RFC 1951, 3.2.2) of a text: lengths counted, the text written as bits and decoded again.
#include "kernel.h"

enum { SYMBOLS = 32, LONGEST = 12, TEXT = 512 };
static uint8_t lengths[SYMBOLS], text[TEXT], packed[TEXT];
static uint16_t codes[SYMBOLS], counts[LONGEST + 1], sorted[SYMBOLS];
static const uint8_t shape[SYMBOLS] = {3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9};

static void make_codes(void)
{
    uint16_t next[LONGEST + 2] = {0}, first[LONGEST + 2] = {0};
    for (int i = 0; i <= LONGEST; i++) counts[i] = 0;
    for (int s = 0; s < SYMBOLS; s++) counts[lengths[s]]++;
    for (int i = 1; i <= LONGEST; i++) {
        next[i + 1] = (uint16_t)((next[i] + counts[i]) << 1);
        first[i + 1] = (uint16_t)(first[i] + counts[i]);
    }
    for (int s = 0; s < SYMBOLS; s++) {
        sorted[first[lengths[s]]++] = (uint16_t)s;
        codes[s] = next[lengths[s]]++;
    }
}

static uint32_t encode(void)
{
    uint32_t at = 0, bits = 0, count = 0;
    for (int i = 0; i < TEXT; i++) {
        bits = bits << lengths[text[i]] | codes[text[i]];
        count += lengths[text[i]];
        while (count >= 8) packed[at++] = (uint8_t)(bits >> (count -= 8));
    }
    packed[at++] = (uint8_t)(bits << (8 - count));
    return at;
}

static uint32_t decode(void)
{
    uint32_t at = 0, bit = 0, sum = 0;
    for (int i = 0; i < TEXT; i++) {
        int code = 0, first = 0, index = 0, length = 1;
        for (;; length++) {
            code |= packed[at] >> (7 - bit) & 1;
            if (++bit == 8) bit = 0, at++;
            int count = counts[length];
            if (code - count < first) break;
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        sum = sum * 31 + sorted[index + (code - first)];
    }
    return sum;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 15, sum = 0;
    while (n--) {
        for (int s = 0; s < SYMBOLS; s++) lengths[s] = shape[(s + n) % SYMBOLS];
        make_codes();
        for (int i = 0; i < TEXT; i++) text[i] = (uint8_t)(next_random(&seed) >> 27 & next_random(&seed) >> 27);
        sum += encode();
        sum = sum * 3 + decode();
    }
    return sum;
}
