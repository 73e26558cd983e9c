"""wasi-libc with threads, as an archive: of the sources that ziglang's package has of it and of musl.

ziglang itself builds wasi-libc without threads, and no package has it with them. Compiled here is what the threads are,
and all else that depends on whether there are any (_REENTRANT): structures with a lock in them, and a locale for each
thread. The rest is the library without threads. kernel.c has what musl wants of Linux, heap.c malloc.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import ziglang

from insitu.errors import InsituError

ZIG = (sys.executable, "-m", "ziglang")
TARGET = ("-target", "wasm32-wasi", "-mcpu=generic+atomics+bulk_memory+mutable_globals")

_OWN = Path(__file__).parent
_LIBC = Path(ziglang.__file__).parent / "lib" / "libc"
_MUSL = _LIBC / "musl"
_TOP = _LIBC / "wasi" / "libc-top-half"
_BOTTOM = _LIBC / "wasi" / "libc-bottom-half"
_WASI = _TOP / "musl"  # the files of musl's that wasi-libc changes

_INCLUDED = (
    *(folder / "src" / name for name in ("include", "internal") for folder in (_WASI, _MUSL)),
    *(_WASI / "arch" / "wasm32", _MUSL / "arch" / "generic"),
    *(_TOP / "headers" / "private", _BOTTOM / "cloudlibc" / "src"),
)
_FLAGS = (
    *("-pthread", "-Os", "-g0", "-w", "-std=gnu11", "-fno-builtin", "-D_XOPEN_SOURCE=700"),
    "-fno-inline-functions",  # printf's part for floats has 7 KiB of locals, which printf of others need not have
    *(f"-D_WASI_EMULATED_{name}" for name in ("MMAN", "SIGNAL", "PROCESS_CLOCKS")),
    # a thread ends by its return, also where pthread_create.c ends it: wasi-libc declares no pthread_exit
    *("-D_Noreturn=", "-Wno-return-type", "-Wno-return-mismatch"),
    "-Wno-int-conversion",  # clockid_t is a pointer in wasi-libc
    *("-include", str(_OWN / "kernel.h")),
    *(f"-I{folder}" for folder in _INCLUDED),
)
# Of musl's folders those in which something depends on threads; what of that asks for more of Linux than kernel.h has.
_FOLDERS: dict[str, set[str]] = {
    "conf": set(),
    "ctype": set(),
    "errno": set(),
    "exit": {"abort"},
    "internal": {"vdso"},
    "locale": set(),
    "misc": {"getauxval", "issetugid", "setrlimit", "syslog", "wordexp"},
    "multibyte": set(),
    "prng": set(),
    "stdio": {"fopencookie", "pclose", "popen", "tmpfile"},
    "stdlib": set(),
    "string": set(),
    "thread": {
        *("__syscall_cp", "__tls_get_addr", "__unmapself", "clone", "pthread_getattr_np", "pthread_getschedparam"),
        *("pthread_kill", "pthread_setschedprio", "pthread_sigmask", "synccall", "thrd_exit"),
    },
    "time": {"timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime"},
}
_DEPENDS = re.compile(
    r'#include "(?:\S*/)?(?:fork_impl|getc|libc|locale_impl|lock|pthread_impl|putc|shgetc|stdio_impl)\.h"'
)


def _sources() -> list[Path]:
    found = [_BOTTOM / "crt" / "crt1-command.c", _BOTTOM / "cloudlibc" / "src" / "libc" / "errno" / "errno.c"]
    for folder, left_out in _FOLDERS.items():
        here = {path.stem: path for root in (_MUSL, _WASI) for path in (root / "src" / folder).glob("*.c")}
        wanted = [here[name] for name in sorted(here.keys() - left_out)]
        found += [path for path in wanted if folder == "thread" or _DEPENDS.search(path.read_text())]
    return [*found, _OWN / "kernel.c", _OWN / "heap.c"]


def run(*words: str, **environment: str) -> str:
    """A command; what it says on stderr. Raises InsituError with that where it fails."""
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, env={**os.environ, **environment}
    )
    if done.returncode:
        raise InsituError(done.stderr.strip())
    return done.stderr


def archive(made: Path) -> None:
    """Write the archive: 10 s of a core the first time, then 0.4, as zig keeps what it compiles. Raises InsituError."""
    words = [*ZIG, "build-lib", *TARGET, "-O", "ReleaseSmall", "-fstrip", "-lc", f"-femit-bin={made}"]
    run(*words, "-cflags", *_FLAGS, "--", *map(str, _sources()))


def libraries() -> list[str]:
    """ziglang's library without threads, and what code calls: archives, in the linker's order. Raises InsituError."""
    with tempfile.TemporaryDirectory(prefix="insitu-pthread-") as folder:
        empty, made = Path(folder, "empty.c"), Path(folder, "empty.wasm")
        empty.write_text("int main(void) { return 0; }")
        words = [*ZIG, "cc", *TARGET, "-O2", "-g0", "-pthread", str(empty), "-o", str(made)]
        said = run(*words, ZIG_VERBOSE_LINK="1")
    line = next(line for line in reversed(said.splitlines()) if line.startswith("wasm-ld "))
    return [word for word in line.split() if word.endswith(".a")]
