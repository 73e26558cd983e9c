// A red-black tree (left-leaning, Sedgewick 2008): keys inserted, then looked up, then visited in order.
#include "kernel.h"

enum { SIZE = 256 };
struct node {
    struct node *left, *right;
    uint32_t key;
    uint16_t red, count;
};
static struct node nodes[SIZE];
static int used;

static int is_red(const struct node *h)
{
    return h && h->red;
}

static struct node *rotate_left(struct node *h)
{
    struct node *x = h->right;
    h->right = x->left;
    x->left = h;
    x->red = h->red;
    h->red = 1;
    return x;
}

static struct node *rotate_right(struct node *h)
{
    struct node *x = h->left;
    h->left = x->right;
    x->right = h;
    x->red = h->red;
    h->red = 1;
    return x;
}

static struct node *insert(struct node *h, uint32_t key)
{
    if (!h) {
        struct node *made = &nodes[used++];
        *made = (struct node){0, 0, key, 1, 1};
        return made;
    }
    if (key == h->key) {
        h->count++;
        return h;
    }
    if (key < h->key)
        h->left = insert(h->left, key);
    else
        h->right = insert(h->right, key);
    if (is_red(h->right) && !is_red(h->left)) h = rotate_left(h);
    if (is_red(h->left) && is_red(h->left->left)) h = rotate_right(h);
    if (is_red(h->left) && is_red(h->right)) {
        h->red = 1;
        h->left->red = h->right->red = 0;
    }
    return h;
}

static const struct node *find(const struct node *h, uint32_t key)
{
    while (h && h->key != key) h = key < h->key ? h->left : h->right;
    return h;
}

static uint32_t visit(const struct node *h, uint32_t sum)
{
    for (; h; h = h->right) sum = visit(h->left, sum) * 31 + h->key * h->count;
    return sum;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 11, sum = 0;
    while (n--) {
        struct node *root = 0;
        used = 0;
        for (int i = 0; i < SIZE; i++) {
            root = insert(root, next_random(&seed) >> 22);
            root->red = 0;
        }
        for (int i = 0; i < 2 * SIZE; i++) sum += find(root, next_random(&seed) >> 22) != 0;
        sum = visit(root, sum);
    }
    return sum;
}
