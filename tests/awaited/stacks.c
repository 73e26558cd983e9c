// Calls that wait with much of the aux stack in use: arrays that are filled before and looked at after.
#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))
IMPORT(wait) int wait_for(int what);
IMPORT(fill) void fill(unsigned char *at, int length, int seed);
IMPORT(nested) int nested(int depth, int seed);

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

// depth frames, each with an array that is filled before the wait and compared behind it; -1: one was overwritten
EXPORT(deep) int deep(int depth, unsigned seed)
{
    volatile unsigned char held[40];
    unsigned state = seed + depth, again = state;
    for (unsigned i = 0; i < sizeof held; i++) held[i] = next(&state);
    int sum = wait_for(seed + depth);
    if (depth > 0) {
        int below = deep(depth - 1, seed);
        if (below < 0) return -1;
        sum += below;
    }
    sum = (sum + wait_for(depth)) & 0xFFFF;
    for (unsigned i = 0; i < sizeof held; i++)
        if (held[i] != (unsigned char)next(&again)) return -1;
    return sum;
}

// The import writes behind its wait to where the call's own array is.
EXPORT(filled) int filled(int length, int seed)
{
    unsigned char buffer[64];
    for (int i = 0; i < 64; i++) buffer[i] = 255;
    fill(buffer, length, seed);
    int sum = 0;
    for (int i = 0; i < 64; i++) sum = sum * 3 + buffer[i];
    return sum & 0xFFFFFF;
}

EXPORT(nest) int nest(int depth, int seed)
{
    volatile int held[4] = {seed, depth, seed + depth, 7};
    int sum = depth ? nested(depth, seed) : deep(1, seed);
    return held[0] == seed && held[1] == depth && held[2] == seed + depth && held[3] == 7 ? sum + depth : -1;
}

EXPORT(grow) int grow(int pages, int what)
{
    volatile unsigned char held[24];
    for (int i = 0; i < 24; i++) held[i] = what + i;
    int old = __builtin_wasm_memory_grow(0, pages);
    int sum = wait_for(what);
    for (int i = 0; i < 24; i++)
        if (held[i] != (unsigned char)(what + i)) return -1;
    return old < 0 ? -2 : sum;
}

EXPORT(divide) int divide(int by)
{
    volatile unsigned char held[40];
    held[by & 31] = by;
    return wait_for(100) / (by - held[by & 31] + wait_for(by));
}

EXPORT(overflow) int overflow(int size)
{
    volatile unsigned char held[200];
    held[size & 127] = wait_for(size);
    return size > 0 ? overflow(size - 1) + held[size & 127] : held[0];
}

EXPORT(sum) int sum(int what)
{
    volatile unsigned char held[200];
    int total = 0;
    for (int i = 0; i < 200; i++) held[i] = what + 3 * i;
    for (int i = 0; i < 200; i++) total += held[i];
    return total;
}
