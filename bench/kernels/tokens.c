// A state machine over text: fields of numbers, names and strings in the manner of JSON, checked and counted.
#include "kernel.h"

enum { TEXT = 768 };
enum state { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, NAME, STRING, ESCAPE, BAD, STATES };
static const char *const parts[] = {"12", "-0.5", "+7e3", "name_1", "\"a\\\"b\"", "3..4", "{x:1}", "0.25e", "\"open", "-", "true", "99"};
static char text[TEXT + 1];
static uint32_t ended[STATES];

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

static enum state next_state(enum state state, char c)
{
    switch (state) {
    case START:
        if (is_digit(c)) return INTEGER;
        if (c == '+' || c == '-') return SIGN;
        if (c == '"') return STRING;
        return is_letter(c) ? NAME : BAD;
    case SIGN: return is_digit(c) ? INTEGER : BAD;
    case INTEGER:
        if (is_digit(c)) return INTEGER;
        if (c == '.') return POINT;
        return c == 'e' ? EXPONENT : BAD;
    case POINT: return is_digit(c) ? FRACTION : BAD;
    case FRACTION:
        if (is_digit(c)) return FRACTION;
        return c == 'e' ? EXPONENT : BAD;
    case EXPONENT: return is_digit(c) ? EXPONENT : BAD;
    case NAME: return is_letter(c) || is_digit(c) ? NAME : BAD;
    case STRING:
        if (c == '\\') return ESCAPE;
        return c == '"' ? START : STRING;
    case ESCAPE: return STRING;
    default: return BAD;
    }
}

static void scan(void)
{
    enum state state = START;
    for (const char *at = text; *at; at++) {
        if (*at == ',' && state != STRING) {
            ended[state]++;
            state = START;
        } else {
            state = next_state(state, *at);
        }
    }
    ended[state]++;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 19, sum = 0;
    while (n--) {
        char *at = text;
        while (at < text + TEXT - 8) {
            for (const char *part = parts[next_random(&seed) % (sizeof parts / sizeof *parts)]; *part;) *at++ = *part++;
            *at++ = ',';
        }
        *at = 0;
        for (int s = 0; s < STATES; s++) ended[s] = 0;
        scan();
        for (int s = 0; s < STATES; s++) sum = sum * 31 + ended[s];
    }
    return sum;
}
