// What else of POSIX's and C's threads the library has, and malloc under them; each function that fails says so.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>

#define COUNT 3

static int failed;

#define CHECK(condition) check(condition, #condition, __LINE__)
static void check(int right, const char *what, int line)
{
    if (!right) failed++, printf("line %d: %s\n", line, what);
}

static void together(void *(*entry)(void *))
{
    pthread_t threads[COUNT];
    for (size_t i = 0; i < COUNT; i++) CHECK(!pthread_create(&threads[i], 0, entry, (void *)i));
    for (size_t i = 0; i < COUNT; i++) {
        void *result;
        CHECK(!pthread_join(threads[i], &result) && result == (void *)i);
    }
}

static void *test_mutexes(void *number)
{
    static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_t recursive, checking;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    CHECK(!pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE) && !pthread_mutex_init(&recursive, &kind));
    CHECK(!pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK) && !pthread_mutex_init(&checking, &kind));
    for (int i = 0; i < 3; i++) CHECK(!pthread_mutex_lock(&recursive));
    for (int i = 0; i < 3; i++) CHECK(!pthread_mutex_unlock(&recursive));
    CHECK(pthread_mutex_unlock(&recursive) == EPERM);
    CHECK(!pthread_mutex_lock(&checking) && pthread_mutex_lock(&checking) == EDEADLK);
    CHECK(pthread_mutex_trylock(&checking) == EBUSY && !pthread_mutex_unlock(&checking));
    static int count;
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&plain);
        int before = count;
        if (i % 4 == 0) sched_yield();
        count = before + 1;
        CHECK(count == before + 1);
        pthread_mutex_unlock(&plain);
    }
    return number;
}

static void *test_timeout(void *number)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 2000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&never, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    return number;
}

static pthread_barrier_t barrier;

static void make_barrier(void) { CHECK(!pthread_barrier_init(&barrier, 0, COUNT)); }

static void *test_barrier(void *number)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static int arrived;
    pthread_once(&once, make_barrier);
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&barrier);
    CHECK(__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) == COUNT);
    return number;
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int pair[2];

static void *test_rwlock(void *number)
{
    for (int i = 0; i < 10; i++) {
        if (i % 3 == (int)(size_t)number) {
            pthread_rwlock_wrlock(&rwlock);
            pair[0]++;
            sched_yield();
            pair[1]++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            CHECK(pair[0] == pair[1]);
            sched_yield();
            CHECK(pair[0] == pair[1]);
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return number;
}

static void *test_errno(void *number)
{
    errno = 10 + (int)(size_t)number;
    sched_yield();
    CHECK(errno == 10 + (int)(size_t)number);
    return number;
}

// Each block keeps what its thread wrote, whoever else allocates meanwhile.
static void *test_heap(void *number)
{
    unsigned char *blocks[6] = {0};
    size_t sizes[6] = {0};
    unsigned random = 1 + (unsigned)(size_t)number;
    for (int i = 0; i < 120; i++) {
        random = random * 1103515245 + 12345;
        int at = (random >> 8) % 6;
        size_t size = 1 + (random >> 16) % 200;
        for (size_t j = 0; j < sizes[at]; j++) CHECK(blocks[at][j] == (unsigned char)(at + (size_t)number));
        if (random & 0x80) {
            free(blocks[at]);
            blocks[at] = random & 0x40 ? malloc(size) : aligned_alloc(64, size);
            CHECK((size_t)blocks[at] % (random & 0x40 ? 16 : 64) == 0);
        } else {
            blocks[at] = realloc(blocks[at], size);
            for (size_t j = 0; j < sizes[at] && j < size; j++) CHECK(blocks[at][j] == (unsigned char)(at + (size_t)number));
        }
        CHECK(blocks[at] != 0);
        sizes[at] = size;
        memset(blocks[at], at + (int)(size_t)number, size);
        if (i % 16 == 0) sched_yield();
    }
    for (int i = 0; i < 6; i++) free(blocks[i]);
    return number;
}

static sem_t ended;

static void *detached(void *number)
{
    sem_post(&ended);
    return number;
}

// More of them than the heap has room for at a time: their stacks are given back.
static void test_detached(void)
{
    CHECK(!sem_init(&ended, 0, 0));
    for (size_t i = 0; i < 40; i++) {
        pthread_t thread;
        while (pthread_create(&thread, 0, detached, (void *)i)) sched_yield();
        CHECK(!pthread_detach(thread));
        CHECK(!sem_wait(&ended));
    }
}

static void *sleeper(void *number)
{
    sem_wait(&ended);
    return number;
}

static void test_no_room(void)
{
    pthread_t threads[64];
    int made = 0;
    while (made < 64 && !pthread_create(&threads[made], 0, sleeper, 0)) made++;
    CHECK(made > 2 && made < 64);
    for (int i = 0; i < made; i++) sem_post(&ended);
    for (int i = 0; i < made; i++) CHECK(!pthread_join(threads[i], 0));
    void *volatile none = malloc((size_t)-1);  // volatile, or clang takes it for granted that there is a block
    CHECK(!none && errno == ENOMEM);
    none = malloc(1 << 20);
    CHECK(!none);
    none = calloc(1 << 16, 1 << 16);
    CHECK(!none);
}

static void test_attributes(void)
{
    pthread_attr_t attributes;
    size_t size;
    pthread_t thread;
    CHECK(!pthread_attr_init(&attributes) && !pthread_attr_setstacksize(&attributes, 3000));
    CHECK(!pthread_attr_getstacksize(&attributes, &size) && size == 3000);
    CHECK(!pthread_create(&thread, &attributes, test_errno, (void *)5) && !pthread_join(thread, 0));
    CHECK(!pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED));
    CHECK(!pthread_create(&thread, &attributes, detached, 0) && !sem_wait(&ended));
}

static mtx_t mtx;
static cnd_t cnd;
static tss_t tss;
static int told;

static int c11(void *number)
{
    CHECK(tss_set(tss, number) == thrd_success);
    mtx_lock(&mtx);
    while (told != (int)(size_t)number) cnd_wait(&cnd, &mtx);
    told++;
    cnd_broadcast(&cnd);
    mtx_unlock(&mtx);
    CHECK(tss_get(tss) == number);
    return 7 * (int)(size_t)number;
}

static void test_c11(void)
{
    thrd_t threads[COUNT];
    CHECK(mtx_init(&mtx, mtx_plain) == thrd_success && cnd_init(&cnd) == thrd_success);
    CHECK(tss_create(&tss, 0) == thrd_success);
    for (size_t i = 0; i < COUNT; i++) CHECK(thrd_create(&threads[i], c11, (void *)i) == thrd_success);
    for (int i = 0; i < COUNT; i++) {
        int result;
        CHECK(thrd_join(threads[i], &result) == thrd_success && result == 7 * i);
    }
}

int main(void)
{
    together(test_mutexes);
    together(test_timeout);
    together(test_barrier);
    together(test_rwlock);
    together(test_errno);
    together(test_heap);
    test_detached();
    test_no_room();
    test_attributes();
    test_c11();
    printf("%d failed, %s\n", failed, strerror(EAGAIN));
    return failed != 0;
}
