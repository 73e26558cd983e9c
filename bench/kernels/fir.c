// A 32-tap FIR filter in float32 over 512 samples.
#include "kernel.h"

enum { TAPS = 32, SAMPLES = 512 };
static float taps[TAPS], in[SAMPLES + TAPS], out[SAMPLES];

static void filter(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        float sum = 0;
        for (int k = 0; k < TAPS; k++) sum += taps[k] * in[i + k];
        out[i] = sum;
    }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 4, sum = 0;
    for (int i = 0; i < TAPS; i++) taps[i] = (float)(next_random(&seed) >> 16) / 65536.0f;
    for (int i = 0; i < SAMPLES + TAPS; i++) in[i] = (float)(next_random(&seed) >> 16) - 32768.0f;
    while (n--) {
        filter();
        for (int i = 0; i < SAMPLES; i += 64) sum += (uint32_t)(int32_t)out[i];
        in[n % SAMPLES] += 1.0f;
    }
    return sum;
}
