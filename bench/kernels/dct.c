// Blocks of 8 by 8 as JPEG has them: an integer cosine transform by a table, quantised, in zigzag order, run lengths.
#include "kernel.h"

enum { SIDE = 8, BLOCKS = 3 };
static const int16_t cosines[SIDE][SIDE] = {  // cos((2 x + 1) u pi / 16) << 10, row u; row 0 divided by sqrt 2
    {724, 724, 724, 724, 724, 724, 724, 724},
    {1004, 851, 569, 200, -200, -569, -851, -1004},
    {946, 392, -392, -946, -946, -392, 392, 946},
    {851, -200, -1004, -569, 569, 1004, 200, -851},
    {724, -724, -724, 724, 724, -724, -724, 724},
    {569, -1004, 200, 851, -851, -200, 1004, -569},
    {392, -946, 946, -392, -392, 946, -946, 392},
    {200, -569, 851, -1004, 1004, -851, 569, -200},
};
static const uint8_t steps[SIDE] = {3, 2, 2, 4, 6, 10, 13, 15};
static uint8_t pixels[SIDE][SIDE], order[SIDE * SIDE];
static int32_t halfway[SIDE][SIDE];
static int16_t coefficients[SIDE][SIDE];

static void make_order(void)
{
    int at = 0;
    for (int d = 0; d < 2 * SIDE - 1; d++)
        for (int i = 0; i <= d; i++) {
            int x = d & 1 ? d - i : i, y = d - x;
            if (x < SIDE && y < SIDE) order[at++] = (uint8_t)(y * SIDE + x);
        }
}

static void transform(void)
{
    for (int y = 0; y < SIDE; y++)
        for (int u = 0; u < SIDE; u++) {
            int32_t sum = 0;
            for (int x = 0; x < SIDE; x++) sum += cosines[u][x] * (pixels[y][x] - 128);
            halfway[y][u] = sum >> 8;
        }
    for (int u = 0; u < SIDE; u++)
        for (int v = 0; v < SIDE; v++) {
            int32_t sum = 0;
            for (int y = 0; y < SIDE; y++) sum += cosines[v][y] * halfway[y][u];
            coefficients[v][u] = (int16_t)((sum >> 14) / (steps[u] * steps[v]));
        }
}

static uint32_t run_lengths(uint32_t sum)
{
    const int16_t *flat = &coefficients[0][0];
    uint32_t zeros = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int16_t value = flat[order[i]];
        if (value) {
            sum = sum * 31 + (zeros << 12 ^ (uint16_t)value);
            zeros = 0;
        } else {
            zeros++;
        }
    }
    return sum + zeros;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 17, sum = 0;
    make_order();
    while (n--)
        for (int block = 0; block < BLOCKS; block++) {
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++)
                    pixels[y][x] = (uint8_t)(x * 17 + y * (int)n + (next_random(&seed) >> 28));
            transform();
            sum = run_lengths(sum);
        }
    return sum;
}
