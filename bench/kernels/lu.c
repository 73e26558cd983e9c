// Systems of linear equations of 3 to 8 unknowns by LU decomposition with pivots: loops of 1 to 8 rounds, f32.
#include "kernel.h"

enum { MOST = 8 };
static float a[MOST][MOST], b[MOST], x[MOST];
static int row[MOST];

static float absolute(float v)
{
    return v < 0 ? -v : v;
}

static void decompose(int size)
{
    for (int i = 0; i < size; i++) row[i] = i;
    for (int k = 0; k < size; k++) {
        int pivot = k;
        for (int i = k + 1; i < size; i++)
            if (absolute(a[row[i]][k]) > absolute(a[row[pivot]][k])) pivot = i;
        int swapped = row[k];
        row[k] = row[pivot];
        row[pivot] = swapped;
        for (int i = k + 1; i < size; i++) {
            float factor = a[row[i]][k] /= a[row[k]][k];
            for (int j = k + 1; j < size; j++) a[row[i]][j] -= factor * a[row[k]][j];
        }
    }
}

static void solve(int size)
{
    for (int i = 0; i < size; i++) {
        x[i] = b[row[i]];
        for (int j = 0; j < i; j++) x[i] -= a[row[i]][j] * x[j];
    }
    for (int i = size - 1; i >= 0; i--) {
        for (int j = i + 1; j < size; j++) x[i] -= a[row[i]][j] * x[j];
        x[i] /= a[row[i]][i];
    }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 14, sum = 0;
    while (n--)
        for (int size = 3; size <= MOST; size++) {
            for (int i = 0; i < size; i++) {
                for (int j = 0; j < size; j++) a[i][j] = (float)(int32_t)(next_random(&seed) >> 20) - 2048.0f;
                a[i][i] += 4096.0f;
                b[i] = (float)(int32_t)(next_random(&seed) >> 20);
            }
            decompose(size);
            solve(size);
            for (int i = 0; i < size; i++) sum = sum * 31 + (uint32_t)(int32_t)(x[i] * 1000.0f);
        }
    return sum;
}
