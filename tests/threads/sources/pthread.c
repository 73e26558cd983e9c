// The part of POSIX threads that the programs here use, over the atomics of WebAssembly and wasi-threads.
//
// ziglang's wasi-libc, the only one in a package, is the one without threads: its pthread_create fails. The ABI is that
// of wasi-libc's threads target: wasi.thread-spawn, wasi_thread_start, a stack and thread-locals for each thread.

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define FOREVER (-1ll)
#define MOST 8      // threads at a time
#define BLOCK 2048  // bytes of a thread: what is below, its thread-locals, its stack
#define ALIGNED(n) (((n) + 15) & ~(size_t)15)

typedef int word;

// What wasi_thread_start reads the first two fields of.
struct __pthread {
    char *stack;
    void *thread_locals;
    void *(*entry)(void *);
    void *argument;
    void *result;
    word ended;
};

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int thread_spawn(struct __pthread *);
void __wasm_init_tls(void *);

__asm__(".globaltype __stack_pointer, i32\n"
        ".functype run_thread (i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __stack_pointer\n"
        "local.get 1\n"
        "call run_thread\n"
        "end_function\n");

static word load(word *at) { return __c11_atomic_load((_Atomic word *)at, __ATOMIC_SEQ_CST); }

static word exchange(word *at, word value)
{
    return __c11_atomic_exchange((_Atomic word *)at, value, __ATOMIC_SEQ_CST);
}

static void wait(word *at, word while_it_is) { __builtin_wasm_memory_atomic_wait32(at, while_it_is, FOREVER); }

static void notify(word *at, unsigned count) { __builtin_wasm_memory_atomic_notify(at, count); }

__attribute__((used)) void run_thread(struct __pthread *self)
{
    __wasm_init_tls(self->thread_locals);
    self->result = self->entry(self->argument);
    exchange(&self->ended, 1);
    notify(&self->ended, 1);
}

static _Alignas(16) char blocks[MOST][BLOCK];
static word taken[MOST];

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*entry)(void *), void *argument)
{
    for (int i = 0; i < MOST; i++) {
        if (exchange(&taken[i], 1)) continue;
        struct __pthread *made = (struct __pthread *)blocks[i];
        *made = (struct __pthread){blocks[i] + BLOCK, blocks[i] + ALIGNED(sizeof *made), entry, argument, 0, 0};
        *thread = made;
        if (thread_spawn(made) >= 0) return 0;
        exchange(&taken[i], 0);
        break;
    }
    return EAGAIN;
}

// The thread's block stays taken: it may still return on that stack.
int pthread_join(pthread_t thread, void **result)
{
    while (!load(&thread->ended)) wait(&thread->ended, 0);
    if (result) *result = thread->result;
    return 0;
}

// A mutex's word is 0: free, 1: taken, 2: taken, and somebody waits.
static word *lock_of(pthread_mutex_t *mutex) { return &mutex->__u.__i[0]; }

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    word *lock = lock_of(mutex), free_ = 0;
    if (__c11_atomic_compare_exchange_strong((_Atomic word *)lock, &free_, 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 0;
    while (exchange(lock, 2)) wait(lock, 2);
    return 0;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (exchange(lock_of(mutex), 0) == 2) notify(lock_of(mutex), 1);
    return 0;
}

// A condition's word counts signals.
static word *count_of(pthread_cond_t *condition) { return &condition->__u.__i[0]; }

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    word seen = load(count_of(condition));
    pthread_mutex_unlock(mutex);
    wait(count_of(condition), seen);
    return pthread_mutex_lock(mutex);
}

static int wake(pthread_cond_t *condition, unsigned count)
{
    __c11_atomic_fetch_add((_Atomic word *)count_of(condition), 1, __ATOMIC_SEQ_CST);
    notify(count_of(condition), count);
    return 0;
}

int pthread_cond_signal(pthread_cond_t *condition) { return wake(condition, 1); }

int pthread_cond_broadcast(pthread_cond_t *condition) { return wake(condition, UINT32_MAX); }
