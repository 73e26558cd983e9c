// No library at all: static data, the aux stack, an export.
static int seen[16];

__attribute__((noinline)) static void squares(int *to, int n)
{
    for (int i = 0; i < n; i++) to[i] = i * i;
}

__attribute__((visibility("default"), export_name("run"))) int run(int n)
{
    int found[16], sum = 0;
    n = n > 16 ? 16 : n;
    squares(found, n);
    for (int i = 0; i < n; i++) {
        seen[i] += found[i];
        sum += seen[i];
    }
    return sum;
}
