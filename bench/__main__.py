"""python -m bench: the table, build/bench.json, and exit status 1 where a bar is missed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench import kernels

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("-k", metavar="KERNEL", action="append", help="only this kernel")
    parser.add_argument("-t", metavar="TARGET", action="append", help="only this target")
    arguments = parser.parse_args()
    rows = kernels.measure(ROOT / "build" / "bench", arguments.k, arguments.t)
    for row in rows:
        print(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
