"""`python -m insitu.aot.optimise_child TARGET`: LLVM's passes from stdin to stdout, where LLVM may abort."""

import sys

from insitu.aot import optimise
from insitu.aot.targets import target

if __name__ == "__main__":
    sys.stdout.write(optimise.standard_passes(sys.stdin.read(), target(sys.argv[1]), fold=True))
