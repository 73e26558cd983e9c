// Producers and consumers with a queue between them, under a mutex and two conditions. A value is a text on the heap,
// which one thread makes and another gives back. Each thread says when it is done, and has a destructor run.
// Arguments: producers, consumers, places in the queue, values of each producer, turns after which a thread yields.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 4

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int producers, consumers, places, values, yields;
static char *queue[MOST];
static unsigned first, length, left, destroyed;
static _Thread_local unsigned turns;  // each thread's own

static void destroy(void *value)
{
    pthread_mutex_lock(&mutex);
    destroyed += *(unsigned *)value;
    pthread_mutex_unlock(&mutex);
    free(value);
}

static void make_key(void) { pthread_key_create(&key, destroy); }

static void done(void)
{
    pthread_once(&once, make_key);
    unsigned *one = malloc(sizeof *one);
    *one = 1;
    pthread_setspecific(key, one);
    printf("a thread is %s\n", "done");
}

static void turn(void)
{
    if (yields && ++turns % yields == 0) sched_yield();
}

static void *produce(void *argument)
{
    unsigned start = (unsigned)(size_t)argument;
    for (int i = 0; i < values; i++) {
        char *text = malloc(12);
        snprintf(text, 12, "%u", start + i);
        pthread_mutex_lock(&mutex);
        while (length == places) pthread_cond_wait(&not_full, &mutex);
        queue[(first + length++) % places] = text;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&mutex);
        turn();
    }
    done();
    return (void *)(size_t)turns;
}

static void *consume(void *argument)
{
    unsigned long long *sum = argument;
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (!length && left) pthread_cond_wait(&not_empty, &mutex);
        if (!left) break;
        char *text = queue[first];
        first = (first + 1) % places;
        length--;
        if (!--left) pthread_cond_broadcast(&not_empty);
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&mutex);
        *sum += atoi(text);
        free(text);
        turn();
    }
    pthread_mutex_unlock(&mutex);
    done();
    return (void *)(size_t)turns;
}

int main(int count, char **arguments)
{
    if (count != 6) return 2;
    int *given[] = {&producers, &consumers, &places, &values, &yields};
    for (int i = 0; i < 5; i++) *given[i] = atoi(arguments[i + 1]);
    if (producers > MOST || consumers > MOST || places > MOST) return 2;
    left = producers * values;
    pthread_t threads[2 * MOST];
    unsigned long long sums[MOST] = {0}, sum = 0;
    int started = 0;
    for (int i = 0; i < consumers; i++) if (pthread_create(&threads[started++], 0, consume, &sums[i])) return 3;
    for (int i = 0; i < producers; i++) {
        if (pthread_create(&threads[started++], 0, produce, (void *)(size_t)(i * values))) return 3;
    }
    unsigned all = 0;
    for (int i = 0; i < started; i++) {
        void *result;
        pthread_join(threads[i], &result);
        all += (unsigned)(size_t)result;
    }
    for (int i = 0; i < consumers; i++) sum += sums[i];
    printf("%u values, sum %llu, %u turns, %u destroyed\n", producers * values, sum, all, destroyed);
    return 0;
}
