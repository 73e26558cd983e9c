// Regular expressions by backtracking: literals, ., [a-z], ^, $, *, + and ?, tried at every place of a text.
#include "kernel.h"

enum { TEXT = 192 };
static const char *const patterns[] = {"a[b-d]*e", "^x?[a-c]+d", "f.*g.h", "[e-h]+a$", "b+c?d*.a"};
static char text[TEXT + 1];

static int match_here(const char *pattern, const char *at);

static const char *behind(const char *pattern)  // the element: one character, or a class in brackets
{
    if (*pattern++ == '[')
        while (*pattern++ != ']') {}
    return pattern;
}

static int fits(const char *element, char c)
{
    if (!c) return 0;
    if (*element == '.') return 1;
    if (*element != '[') return *element == c;
    for (element++; *element != ']'; element++) {
        char low = *element, high = low;
        if (element[1] == '-') high = *(element += 2);
        if (low <= c && c <= high) return 1;
    }
    return 0;
}

static int match_many(const char *element, const char *rest, const char *at, int least, int most)
{
    int found = 0;
    while (found < most && fits(element, at[found])) found++;
    for (; found >= least; found--)
        if (match_here(rest, at + found)) return 1;
    return 0;
}

static int match_here(const char *pattern, const char *at)
{
    for (; *pattern; at++) {
        if (*pattern == '$' && !pattern[1]) return !*at;
        const char *rest = behind(pattern);
        switch (*rest) {
        case '*': return match_many(pattern, rest + 1, at, 0, TEXT);
        case '+': return match_many(pattern, rest + 1, at, 1, TEXT);
        case '?': return match_many(pattern, rest + 1, at, 0, 1);
        }
        if (!fits(pattern, *at)) return 0;
        pattern = rest;
    }
    return 1;
}

static uint32_t matches(const char *pattern)
{
    if (*pattern == '^') return (uint32_t)match_here(pattern + 1, text);
    uint32_t found = 0;
    for (const char *at = text; *at; at++) found = found * 2 + (uint32_t)match_here(pattern, at);
    return found;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 18, sum = 0;
    while (n--) {
        for (int i = 0; i < TEXT; i++) text[i] = (char)('a' + (next_random(&seed) >> 29));
        for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++) sum = sum * 31 + matches(patterns[i]);
    }
    return sum;
}
