// A list that is kept in order: each record goes to its place, the oldest ones leave, as timers and free lists do.
#include "kernel.h"

enum { SIZE = 96, STEPS = 300 };
struct record {
    struct record *next, **back;
    uint32_t due, period;
};
static struct record records[SIZE], *first;

static void insert(struct record *record)
{
    struct record **at = &first;
    while (*at && (*at)->due <= record->due) at = &(*at)->next;
    record->next = *at;
    record->back = at;
    if (*at) (*at)->back = &record->next;
    *at = record;
}

static void unlink(struct record *record)
{
    *record->back = record->next;
    if (record->next) record->next->back = record->back;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 12, sum = 0;
    while (n--) {
        first = 0;
        for (int i = 0; i < SIZE; i++) {
            records[i].period = 1 + (next_random(&seed) >> 22);
            records[i].due = records[i].period;
            insert(&records[i]);
        }
        for (int i = 0; i < STEPS; i++) {
            struct record *next = i & 3 ? first : &records[next_random(&seed) % SIZE];
            unlink(next);
            sum = sum * 33 + next->due;
            next->due += next->period;
            insert(next);
        }
    }
    return sum;
}
