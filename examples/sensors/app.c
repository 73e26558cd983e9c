// Two sensors, each with a task of its own: every reading is awaited, and smoothed in an array on the task's own stack.
__attribute__((import_module("sensor"), import_name("read"))) int sensor_read(int channel);
__attribute__((import_module("env"), import_name("sleep_ms"))) void sleep_ms(int ms);
__attribute__((import_module("env"), import_name("show"))) void show(int channel, int value);

__attribute__((export_name("watch"))) int watch(int channel, int rounds, int every_ms)
{
    int last[8];
    for (int i = 0; i < 8; i++) last[i] = 0;
    int sum = 0;
    for (int round = 0; round < rounds; round++) {
        sum -= last[round % 8];
        sum += last[round % 8] = sensor_read(channel);
        show(channel, sum / (round < 8 ? round + 1 : 8));
        sleep_ms(every_ms);
    }
    return sum;
}

// Takes long, and calls nothing: with slices others go on meanwhile.
__attribute__((export_name("primes"))) int primes(int below)
{
    int found = 0;
    for (int n = 2; n < below; n++) {
        int k = 2;
        while (k * k <= n && n % k) k++;
        found += k * k > n;
    }
    return found;
}
