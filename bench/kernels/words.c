// Words of a text counted in a hash table with chains, then looked up again by string comparison.
#include "kernel.h"

enum { BUCKETS = 64, ENTRIES = 96, TEXT = 1536, WORD = 12 };
struct entry {
    struct entry *next;
    uint32_t count;
    char word[WORD];
};
static const char *const syllables[8] = {"ka", "to", "mi", "ren", "su", "bel", "or", "x"};
static struct entry entries[ENTRIES], *buckets[BUCKETS];
static char text[TEXT];
static int used;

static uint32_t length_of(const char *s)
{
    uint32_t n = 0;
    while (s[n]) n++;
    return n;
}

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;
    while (*s) h = (h ^ (uint8_t)*s++) * 16777619u;
    return h;
}

static struct entry *find(const char *word, int add)
{
    struct entry **bucket = &buckets[hash(word) % BUCKETS];
    for (struct entry *e = *bucket; e; e = e->next)
        if (equal(e->word, word)) return e;
    if (!add || used == ENTRIES) return 0;
    struct entry *e = &entries[used++];
    e->next = *bucket;
    e->count = 0;
    char *to = e->word;
    while ((*to++ = *word++)) {}
    return *bucket = e;
}

static void write_text(uint32_t *seed)
{
    char *at = text, *end = text + TEXT - 12;
    while (at < end) {
        for (uint32_t parts = 1 + (next_random(seed) >> 30) % 3; parts; parts--)
            for (const char *s = syllables[next_random(seed) >> 29]; *s;) *at++ = *s++;
        *at++ = ' ';
    }
    *at = 0;
}

static uint32_t count_words(void)
{
    char word[WORD];
    uint32_t longest = 0;
    for (const char *at = text; *at; at++) {
        int n = 0;
        while (*at && *at != ' ') {
            if (n < WORD - 1) word[n++] = *at;
            at++;
        }
        word[n] = 0;
        struct entry *e = find(word, 1);
        if (e) e->count++;
        uint32_t length = length_of(word);
        if (length > longest) longest = length;
        if (!*at) break;
    }
    return longest;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 6, sum = 0;
    while (n--) {
        used = 0;
        for (int i = 0; i < BUCKETS; i++) buckets[i] = 0;
        write_text(&seed);
        sum += count_words();
        for (int i = 0; i < used; i++) sum = sum * 31 + find(entries[i].word, 0)->count;
    }
    return sum;
}
