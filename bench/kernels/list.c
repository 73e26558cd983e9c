// A linked list of records, merge-sorted by one key and then by the other.
#include "kernel.h"

enum { SIZE = 200 };
struct node {
    struct node *next;
    int16_t key, value;
};
static struct node nodes[SIZE];

static int by_key(const struct node *a, const struct node *b)
{
    return a->key - b->key;
}

static int by_value(const struct node *a, const struct node *b)
{
    return a->value - b->value;
}

static struct node *merge(struct node *a, struct node *b, int (*compare)(const struct node *, const struct node *))
{
    struct node head, *tail = &head;
    while (a && b) {
        struct node **least = compare(a, b) <= 0 ? &a : &b;
        tail = tail->next = *least;
        *least = (*least)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *list, int count, int (*compare)(const struct node *, const struct node *))
{
    if (count < 2) {
        if (list) list->next = 0;
        return list;
    }
    struct node *half = list;
    for (int i = 0; i < count / 2; i++) half = half->next;
    struct node *right = sort(half, count - count / 2, compare);
    return merge(sort(list, count / 2, compare), right, compare);
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 7, sum = 0;
    for (int i = 0; i < SIZE; i++) nodes[i].key = (int16_t)(next_random(&seed) >> 16);
    while (n--) {
        for (int i = 0; i < SIZE; i++) {
            nodes[i].next = i + 1 < SIZE ? &nodes[i + 1] : 0;
            nodes[i].value = (int16_t)(next_random(&seed) >> 16);
        }
        struct node *list = sort(nodes, SIZE, by_value);
        list = sort(list, SIZE, by_key);
        for (; list; list = list->next) sum = sum * 33 + (uint16_t)list->value;
    }
    return sum;
}
