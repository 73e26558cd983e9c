// A mix after CoreMark's parts: a list searched, reversed and sorted, a matrix of 16 bits, a state machine over
// digits, and a CRC over what they give.
#include "kernel.h"

enum { ITEMS = 40, SIDE = 8, TEXT = 160 };
struct item {
    struct item *next;
    int16_t value, index;
};
static struct item items[ITEMS];
static int16_t a[SIDE][SIDE], b[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static char text[TEXT + 1];

static uint16_t crc16(uint32_t value, uint16_t crc)
{
    for (int i = 0; i < 32; i++, value >>= 1) {
        uint32_t odd = (value ^ crc) & 1;
        crc >>= 1;
        if (odd) crc ^= 0xa001;
    }
    return crc;
}

static struct item *reverse(struct item *list)
{
    struct item *done = 0;
    while (list) {
        struct item *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static const struct item *find(const struct item *list, int16_t value)
{
    while (list && (list->value & 0xff) != value) list = list->next;
    return list;
}

static struct item *sort(struct item *list, int by_index)
{
    struct item *sorted = 0;
    while (list) {
        struct item *next = list->next, **at = &sorted;
        while (*at && (by_index ? (*at)->index < list->index : (*at)->value < list->value)) at = &(*at)->next;
        list->next = *at;
        *at = list;
        list = next;
    }
    return sorted;
}

static uint16_t list_part(uint32_t *seed, uint16_t crc)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct item){i + 1 < ITEMS ? &items[i + 1] : 0, (int16_t)(next_random(seed) >> 17), (int16_t)i};
    struct item *list = items;
    uint32_t found = 0;
    for (int16_t value = 0; value < 16; value++) {
        const struct item *item = find(list, value * 16);
        found = found * 3 + (item ? (uint32_t)item->index : 99);
        list = reverse(list);
    }
    list = sort(list, 0);
    for (const struct item *item = list; item; item = item->next) crc = crc16((uint16_t)item->value, crc);
    list = sort(list, 1);
    return crc16(found + (uint32_t)list->value, crc);
}

static uint16_t matrix_part(uint32_t *seed, uint16_t crc)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = (int16_t)(next_random(seed) >> 24);
            b[i][j] = (int16_t)(a[i][j] + i - j);
        }
    int32_t sum = 0;
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t cell = 0;
            for (int k = 0; k < SIDE; k++) cell += a[i][k] * b[k][j];
            product[i][j] = cell;
            sum += (cell >> 2 & 15) * (cell >> 5 & 127);
        }
    for (int i = 0; i < SIDE; i++) sum ^= product[i][SIDE - 1 - i];
    return crc16((uint32_t)sum, crc);
}

static uint16_t state_part(uint32_t *seed, uint16_t crc)
{
    enum { START, SIGNED, INTEGER, FRACTION, EXPONENT, INVALID, STATES } state = START;
    static const char alphabet[16] = "0123456789+-.e,,";
    uint32_t counts[STATES] = {0};
    for (int i = 0; i < TEXT; i++) text[i] = alphabet[next_random(seed) >> 28];
    for (const char *at = text; *at; at++) {
        int digit = *at >= '0' && *at <= '9';
        if (*at == ',') {
            counts[state]++;
            state = START;
            continue;
        }
        switch (state) {
        case START: state = digit ? INTEGER : *at == '+' || *at == '-' ? SIGNED : *at == '.' ? FRACTION : INVALID; break;
        case SIGNED: state = digit ? INTEGER : *at == '.' ? FRACTION : INVALID; break;
        case INTEGER: state = digit ? INTEGER : *at == '.' ? FRACTION : *at == 'e' ? EXPONENT : INVALID; break;
        case FRACTION: state = digit ? FRACTION : *at == 'e' ? EXPONENT : INVALID; break;
        case EXPONENT: state = digit ? EXPONENT : INVALID; break;
        default: break;
        }
    }
    for (int i = 0; i < STATES; i++) crc = crc16(counts[i], crc);
    return crc;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 22;
    uint16_t crc = 0;
    while (n--) {
        crc = list_part(&seed, crc);
        crc = matrix_part(&seed, crc);
        crc = state_part(&seed, crc);
    }
    return crc;
}
