// malloc in what lies between the program's data and the end of its memory: the first free block that fits. ziglang's is
// for one thread, and takes a page of 64 KiB for each size of blocks.

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lock.h"

#define UNIT 16                // a long double's alignment; blocks' sizes are multiples of it
#define HEADER sizeof(size_t)  // before what is given: the block's size
#define ROUNDED(n) (((n) + UNIT - 1) & -UNIT)

extern char __heap_base[], __heap_end[];  // the linker's

struct block {
    size_t size;
    struct block *next;  // of a free one: by address
};

static struct block *first_free;
static int begun;
static volatile int lock[1];

static struct block *after(struct block *block) { return (struct block *)((char *)block + block->size); }

static void release(struct block *block)
{
    struct block *before = 0, *behind = first_free;
    for (; behind && behind < block; behind = behind->next) before = behind;
    block->next = behind;
    if (behind && after(block) == behind) {
        block->size += behind->size;
        block->next = behind->next;
    }
    if (!before) {
        first_free = block;
    } else if (after(before) == block) {
        before->size += block->size;
        before->next = block->next;
    } else {
        before->next = block;
    }
}

static void begin(void)
{
    begun = 1;
    struct block *all = (struct block *)(ROUNDED((uintptr_t)__heap_base + HEADER) - HEADER);
    intptr_t size = (__heap_end - (char *)all) & -UNIT;
    if (size <= 0) return;
    all->size = size;
    release(all);
}

// The end of the free block becomes the used one.
static void *take(size_t size)
{
    for (struct block **at = &first_free; *at; at = &(*at)->next) {
        struct block *block = *at;
        if (block->size < size) continue;
        block->size -= size;
        if (!block->size) *at = block->next;
        block = after(block);
        block->size = size;
        return &block->next;
    }
    errno = ENOMEM;
    return 0;
}

void *malloc(size_t size)
{
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return 0;
    }
    LOCK(lock);
    if (!begun) begin();
    void *given = take(ROUNDED(size + HEADER));
    UNLOCK(lock);
    return given;
}

static struct block *block_of(void *given) { return (struct block *)((char *)given - HEADER); }

void free(void *given)
{
    if (!given) return;
    LOCK(lock);
    release(block_of(given));
    UNLOCK(lock);
}

size_t malloc_usable_size(void *given) { return given ? block_of(given)->size - HEADER : 0; }

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    void *given = __builtin_mul_overflow(count, size, &bytes) ? malloc(-1) : malloc(bytes);
    return given ? memset(given, 0, bytes) : 0;
}

void *realloc(void *given, size_t size)
{
    size_t old = malloc_usable_size(given);
    if (given && size <= old) return given;
    void *other = malloc(size);
    if (!other) return 0;
    memcpy(other, given, old);
    free(given);
    return other;
}

void *reallocarray(void *given, size_t count, size_t size)
{
    size_t bytes;
    return realloc(given, __builtin_mul_overflow(count, size, &bytes) ? -1 : bytes);
}

// What lies before the aligned address is given back.
void *aligned_alloc(size_t alignment, size_t size)
{
    if (alignment <= UNIT) return malloc(size);
    char *given = size < PTRDIFF_MAX - alignment ? malloc(size + alignment) : malloc(-1);
    char *aligned = (char *)(((uintptr_t)given + alignment - 1) & -alignment);
    if (aligned == given) return given;
    size_t before = aligned - given;
    block_of(aligned)->size = block_of(given)->size - before;
    block_of(given)->size = before;
    free(given);
    return aligned;
}

int posix_memalign(void **given, size_t alignment, size_t size)
{
    if (alignment < sizeof(void *)) return EINVAL;
    void *made = aligned_alloc(alignment, size);
    if (!made) return ENOMEM;
    *given = made;
    return 0;
}

void *memalign(size_t alignment, size_t size) { return aligned_alloc(alignment, size); }
