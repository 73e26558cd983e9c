// Recursive quicksort, median of three, of 512 integers.
#include "kernel.h"

enum { SIZE = 512 };
static int32_t items[SIZE];

static void sort(int32_t *low, int32_t *high)
{
    while (low < high) {
        int32_t *middle = low + (high - low) / 2, pivot = *middle;
        if ((*low < pivot) != (*low < *high)) pivot = *low;
        else if ((*high < pivot) != (*high < *low)) pivot = *high;
        int32_t *i = low, *j = high;
        while (i <= j) {
            while (*i < pivot) i++;
            while (*j > pivot) j--;
            if (i <= j) {
                int32_t t = *i;
                *i++ = *j;
                *j-- = t;
            }
        }
        if (j - low < high - i) {
            sort(low, j);
            low = i;
        } else {
            sort(i, high);
            high = j;
        }
    }
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 5, sum = 0;
    while (n--) {
        for (int i = 0; i < SIZE; i++) items[i] = (int32_t)next_random(&seed);
        sort(items, items + SIZE - 1);
        for (int i = 1; i < SIZE; i++) sum += items[i - 1] <= items[i];
        sum += (uint32_t)items[SIZE / 2];
    }
    return sum;
}
