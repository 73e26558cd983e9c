// Included before each source of the library: what musl's threads want of Linux, and wasi-libc's headers leave out.
#ifndef INSITU_PTHREAD_KERNEL_H
#define INSITU_PTHREAD_KERNEL_H

#define threads_minus_1 threads_minus_1; char can_do_threads; size_t tls_size
#include "libc.h"
#undef threads_minus_1

#include <sys/mman.h>

#include "pthread_impl.h"

#undef PAGE_SIZE
#define PAGE_SIZE 16  // a stack is a block of malloc's

#define __syscall(call, ...) call(__VA_ARGS__)
#define __syscall_cp(call, ...) call(__VA_ARGS__)
#define SYS_futex __kernel_futex
#define SYS_sched_yield sched_yield
#define SYS_exit(code) return  // of __pthread_exit, to wasi_thread_start
#define SYS_rt_sigprocmask(...) 0
#define SYS_set_tid_address(...) 0
#define SYS_set_robust_list(...) 0
#define SYS_get_robust_list(...) -ENOSYS
#define SYS_sched_setscheduler(...) -ENOSYS
long __kernel_futex(volatile void *, int, ...);
int sched_yield(void);

#define __unmapself(block, size) return __kernel_free_and_exit(block)
void __kernel_free_and_exit(void *);

void __vm_wait(void);
void __vm_lock(void);
void __vm_unlock(void);

// No signals: sets that nobody reads.
typedef struct {
    unsigned long bits[2];
} __kernel_sigset;
#define sigset_t __kernel_sigset
#define _NSIG 65
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define __block_app_sigs(set) ((void)(set))
#define __block_all_sigs(set) ((void)(set))
#define __restore_sigs(set) ((void)(set))

// A thread shares all there is.
#define CLONE_VM 0
#define CLONE_FS 0
#define CLONE_FILES 0
#define CLONE_SIGHAND 0
#define CLONE_THREAD 0
#define CLONE_SYSVSEM 0
#define CLONE_SETTLS 0
#define CLONE_PARENT_SETTID 0
#define CLONE_CHILD_CLEARTID 0
#define CLONE_DETACHED 0

#endif
