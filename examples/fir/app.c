// insitu's demo: samples from an import go through a windowed FIR filter and an RMS and peak detector; the
// results leave through another import as JSON text framed with a CRC-32. No libc.
//
//   insitu build app.c -b qemu_stm32f405

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

typedef unsigned char u8;
typedef unsigned int u32;

IMPORT("adc", "read") int adc_read(int channel);  // 12 bits, 0 to 4095
IMPORT("uart", "write") void uart_write(const char *text, int length);

enum { TAPS = 33, BLOCK = 64, FRAME = 160 };

// State that lives from call to call.
static float coefficients[TAPS];
static float history[TAPS];  // a ring: the newest sample is at `newest`
static int newest;
static u32 frames, samples;
static float peak_hold;
static u32 crc_table[256];
static const char hex_digits[] = "0123456789abcdef";

// --- mathematics ---

static float absolute(float x) { return x < 0 ? -x : x; }

// Sine of x by reduction to [-pi/2, pi/2] and a polynomial; the error is below 2e-6 there.
static float sine(float x)
{
    const float pi = 3.14159265f, two_pi = 6.28318531f;
    x -= two_pi * (float)(int)(x / two_pi);
    if (x > pi) x -= two_pi;
    if (x < -pi) x += two_pi;
    if (x > pi / 2) x = pi - x;
    if (x < -pi / 2) x = -pi - x;
    float s = x * x;
    return x * (1.0f + s * (-0.16666667f + s * (0.00833333f + s * (-0.00019841f + s * 2.7557e-6f))));
}

static float cosine(float x) { return sine(x + 1.57079633f); }

// A low pass at cutoff (a part of the sample rate): sinc times a Hamming window, of gain 1 at 0 Hz.
static void design_filter(float cutoff)
{
    const float pi = 3.14159265f;
    float sum = 0;
    for (int i = 0; i < TAPS; i++) {
        int n = i - TAPS / 2;
        float ideal = n ? sine(2 * pi * cutoff * n) / (pi * n) : 2 * cutoff;
        float window = 0.54f - 0.46f * cosine(2 * pi * i / (TAPS - 1));
        coefficients[i] = ideal * window;
        sum += coefficients[i];
    }
    for (int i = 0; i < TAPS; i++) coefficients[i] /= sum;
}

static float filter(float sample)
{
    newest = newest ? newest - 1 : TAPS - 1;
    history[newest] = sample;
    float sum = 0;
    int at = newest;
    for (int i = 0; i < TAPS; i++) {
        sum += coefficients[i] * history[at];
        if (++at == TAPS) at = 0;
    }
    return sum;
}

// --- text ---

struct text {
    char *at, *end;
};

static void put(struct text *t, char c)
{
    if (t->at < t->end) *t->at++ = c;
}

static void put_string(struct text *t, const char *s)
{
    while (*s) put(t, *s++);
}

static void put_unsigned(struct text *t, u32 value)
{
    char digits[10];
    int n = 0;
    do digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n) put(t, digits[--n]);
}

// Three decimals, rounded.
static void put_float(struct text *t, float value)
{
    if (value < 0) put(t, '-');
    u32 thousandths = (u32)(absolute(value) * 1000.0f + 0.5f);
    put_unsigned(t, thousandths / 1000);
    put(t, '.');
    put(t, (char)('0' + thousandths / 100 % 10));
    put(t, (char)('0' + thousandths / 10 % 10));
    put(t, (char)('0' + thousandths % 10));
}

// --- CRC-32 (IEEE 802.3, reflected), as zlib's ---

static void make_crc_table(void)
{
    for (u32 n = 0; n < 256; n++) {
        u32 c = n;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
        crc_table[n] = c;
    }
}

static u32 crc32(const char *data, const char *end)
{
    u32 crc = 0xffffffffu;
    while (data < end) crc = crc_table[(crc ^ (u8)*data++) & 255] ^ crc >> 8;
    return crc ^ 0xffffffffu;
}

// --- exports ---

// Design the filter for a cutoff in Hz and forget all samples.
EXPORT("init") void init(int sample_rate, int cutoff)
{
    design_filter((float)cutoff / (float)sample_rate);
    make_crc_table();
    for (int i = 0; i < TAPS; i++) history[i] = 0;
    newest = 0;
    frames = samples = 0;
    peak_hold = 0;
}

static void send_frame(float rms, float peak)
{
    char buffer[FRAME];
    struct text t = {buffer, buffer + FRAME};
    put_string(&t, "{\"frame\":");
    put_unsigned(&t, frames);
    put_string(&t, ",\"samples\":");
    put_unsigned(&t, samples);
    put_string(&t, ",\"rms\":");
    put_float(&t, rms);
    put_string(&t, ",\"peak\":");
    put_float(&t, peak);
    put_string(&t, ",\"hold\":");
    put_float(&t, peak_hold);
    put_string(&t, "}");
    u32 crc = crc32(buffer, t.at);
    put(&t, '*');
    for (int shift = 28; shift >= 0; shift -= 4) put(&t, hex_digits[crc >> shift & 15]);
    put(&t, '\n');
    uart_write(buffer, (int)(t.at - buffer));
}

// Read, filter and report `blocks` blocks of samples; the number of frames sent since init.
EXPORT("process") u32 process(int blocks)
{
    while (blocks-- > 0) {
        float squares = 0, peak = 0;
        for (int i = 0; i < BLOCK; i++) {
            float y = filter((float)(adc_read(0) - 2048) / 2048.0f);
            squares += y * y;
            if (absolute(y) > peak) peak = absolute(y);
        }
        samples += BLOCK;
        frames++;
        if (peak > peak_hold) peak_hold = peak;
        send_frame(__builtin_sqrtf(squares / BLOCK), peak);
    }
    return frames;
}

