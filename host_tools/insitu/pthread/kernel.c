// What a kernel does for musl's threads, by wasi-threads' thread-spawn and the instructions to wait and to notify.

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#define STACK_ALIGNMENT 16   // WebAssembly's C ABI
#define FIRST_TID 0x20000000  // wasi-threads' are below

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int thread_spawn(void *);
void __wasm_init_tls(void *);

// Held by a thread that ends, until nothing is on its stack any more: who joins it waits for that.
volatile int __thread_list_lock;

long __kernel_futex(volatile void *at, int operation, ...)
{
    va_list rest;
    va_start(rest, operation);
    int value = va_arg(rest, int);
    switch (operation & ~FUTEX_PRIVATE) {
    case FUTEX_WAIT: {
        const struct timespec *timeout = va_arg(rest, const struct timespec *);
        long long nanoseconds = timeout ? timeout->tv_sec * 1000000000ll + timeout->tv_nsec : -1;
        static const short results[] = {0, -EAGAIN, -ETIMEDOUT};
        return results[__builtin_wasm_memory_atomic_wait32((int *)at, value, nanoseconds)];
    }
    case FUTEX_REQUEUE:  // who is woken finds the other lock taken, and waits there
        __builtin_wasm_memory_atomic_notify((int *)at, 1);
        return 0;
    }
    return -ENOSYS;
}

__asm__(".globaltype __stack_pointer, i32\n"
        ".globaltype __tls_base, i32\n"
        ".functype run_thread (i32, i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "global.set __stack_pointer\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __tls_base\n"
        "local.get 0\n"
        "local.get 1\n"
        "call run_thread\n"
        "i32.const __thread_list_lock\n"
        "i32.const 0\n"
        "i32.atomic.store 0\n"
        "i32.const __thread_list_lock\n"
        "i32.const 1\n"
        "memory.atomic.notify 0\n"
        "drop\n"
        "end_function\n"
        ".globl set_tls_base\n"
        ".type set_tls_base,@function\n"
        "set_tls_base:\n"
        ".functype set_tls_base (i32) -> ()\n"
        "local.get 0\n"
        "global.set __tls_base\n"
        "end_function\n"
        ".globl set_stack_pointer\n"
        ".type set_stack_pointer,@function\n"
        "set_stack_pointer:\n"
        ".functype set_stack_pointer (i32) -> ()\n"
        "local.get 0\n"
        "global.set __stack_pointer\n"
        "end_function\n");
void set_tls_base(void *);
void set_stack_pointer(void *);

// At the top of a new thread's stack, for wasi_thread_start.
struct start {
    void *tls_base;
    int (*function)(void *);
    void *argument;
};

__attribute__((used)) void run_thread(int tid, struct start *start)
{
    __pthread_self()->tid = tid;
    start->function(start->argument);
}

// Behind argument: where the new thread's number goes, and its struct pthread.
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
    va_list rest;
    va_start(rest, argument);
    int *number = va_arg(rest, int *);
    ptrdiff_t distance = va_arg(rest, char *) - (char *)__pthread_self();
    struct start *start = (struct start *)(((uintptr_t)stack - sizeof *start) & -STACK_ALIGNMENT);
    *start = (struct start){(char *)__builtin_wasm_tls_base() + distance, function, argument};
    int tid = thread_spawn(start);
    if (tid >= 0) *number = tid;
    return tid;
}

// For a detached thread, of which nobody else gives the stack back. __thread_list_lock is held: one at a time is here.
void __kernel_free_and_exit(void *block)
{
    static _Alignas(STACK_ALIGNMENT) char stack[256];
    set_stack_pointer(stack + sizeof stack);
    free(block);
}

// Its thread-locals, in a block that is large enough; its struct pthread, which is one of them.
void *__copy_tls(unsigned char *block)
{
    char *own = __builtin_wasm_tls_base();
    size_t alignment = __builtin_wasm_tls_align();
    char *copy = (char *)(((uintptr_t)block + alignment - 1) & -alignment);
    __wasm_init_tls(copy);
    set_tls_base(own);
    return copy + ((char *)__pthread_self() - own);
}

void *__mmap(void *at, size_t size, int protection, int flags, int file, off_t offset)
{
    void *block = calloc(1, size);
    return block ? block : MAP_FAILED;
}

int __munmap(void *block, size_t size)
{
    free(block);
    return 0;
}

int __mprotect(void *block, size_t size, int protection) { return 0; }

extern char __stack_low[], __stack_high[];  // the linker's

// crt1 calls it first.
void __wasi_init_tp(void)
{
    struct pthread *self = __pthread_self();
    self->self = self->prev = self->next = self;
    self->tid = FIRST_TID;
    self->detach_state = DT_JOINABLE;
    self->robust_list.head = &self->robust_list.head;
    self->locale = &libc.global_locale;
    libc.can_do_threads = 1;
    libc.tls_size = __builtin_wasm_tls_size() + __builtin_wasm_tls_align();
    __default_stacksize = __stack_high - __stack_low;
}
