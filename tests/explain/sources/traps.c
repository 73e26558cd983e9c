/* kind: what it ends in, depth calls down. */
static volatile int nothing;
static int numbers[4] = {1, 2, 3, 4};

__attribute__((noinline)) static int end(int kind, int n)
{
    switch (kind) {
    case 0: __builtin_trap();
    case 1: return *(volatile int *)(-8 - n);
    case 2: return numbers[n & 3] / n;
    case 3: return (int)(unsigned char)(numbers[n & 3] % n);
    case 4: return ((int (*)(int))(n + 1000))(n);
    default: *(volatile char *)(-1 - n) = 0; return 0;
    }
}

static int step(int kind, int depth)
{
    return depth ? step(kind, depth - 1) + numbers[depth & 3] : end(kind, nothing);
}

__attribute__((export_name("walk"))) int walk(int kind, int depth)
{
    return step(kind, depth) * 2;
}
