"""Compile and link a C program with POSIX threads, to a program of wasi-threads.

Beside -o: sources and objects, flags of ziglang's clang, and flags of its linker that begin with -Wl,. Memory is
counted in bytes and does not grow. -Wl,-z,stack-size= is the first thread's stack, and another's where its attributes
say nothing else; -Wl,--initial-heap= is what malloc has, from which other threads' stacks are taken, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from insitu.errors import InsituError
from insitu.pthread.program import compile_and_link


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m insitu.pthread",
        usage="%(prog)s [FLAG...] SOURCE.c... -o PROGRAM.wasm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("-o", dest="made", metavar="PROGRAM.wasm", type=Path, required=True)
    given, words = parser.parse_known_args()
    try:
        print(compile_and_link(words, given.made), end="", file=sys.stderr)
    except InsituError as error:
        print(error, file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
