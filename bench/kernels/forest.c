// A random forest: decision trees laid in tables, walked for each sample; every index depends on the data.
#include "kernel.h"

enum { TREES = 8, NODES = 63, FEATURES = 8, CLASSES = 4, SAMPLES = 48 };
struct node {
    uint8_t feature, right;  // the left child is the next node; a leaf has the class in `right`
    int16_t threshold;       // of a leaf: INT16_MIN
};
static struct node trees[TREES][NODES];
static int16_t sample[FEATURES];

static int grow(struct node *tree, int at, int depth, uint32_t *seed)
{
    uint32_t random = next_random(seed);
    if (!depth || (depth < 4 && random >> 29 == 0)) {
        tree[at] = (struct node){0, (uint8_t)(random >> 16) % CLASSES, INT16_MIN};
        return at + 1;
    }
    int right = grow(tree, at + 1, depth - 1, seed);
    tree[at] = (struct node){(uint8_t)(random >> 24) % FEATURES, (uint8_t)right, (int16_t)((random >> 8) % 2000) - 1000};
    return grow(tree, right, depth - 1, seed);
}

static uint32_t classify(const int16_t *features)
{
    uint32_t votes[CLASSES] = {0}, best = 0;
    for (int t = 0; t < TREES; t++) {
        const struct node *tree = trees[t];
        int at = 0;
        while (tree[at].threshold != INT16_MIN)
            at = features[tree[at].feature] <= tree[at].threshold ? at + 1 : tree[at].right;
        votes[tree[at].right]++;
    }
    for (uint32_t c = 1; c < CLASSES; c++)
        if (votes[c] > votes[best]) best = c;
    return best;
}

EXPORT uint32_t run(uint32_t n)
{
    uint32_t seed = 13, sum = 0;
    for (int t = 0; t < TREES; t++) grow(trees[t], 0, 5, &seed);
    while (n--)
        for (int i = 0; i < SAMPLES; i++) {
            for (int f = 0; f < FEATURES; f++) sample[f] = (int16_t)((next_random(&seed) >> 8) % 2200) - 1100;
            sum = sum * 5 + classify(sample);
        }
    return sum;
}
