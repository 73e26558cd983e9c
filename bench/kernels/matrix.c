// Multiplication of 24 by 24 matrices of 32-bit integers.
#include "kernel.h"

enum { N = 24 };
static int32_t a[N][N], b[N][N], c[N][N];

static void multiply(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 3, sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (int32_t)(next_random(&seed) >> 20);
            b[i][j] = (int32_t)(next_random(&seed) >> 20);
        }
    while (n--) {
        multiply();
        a[n % N][0] += c[0][n % N];
        sum += (uint32_t)c[N - 1][N - 1];
    }
    return sum;
}
