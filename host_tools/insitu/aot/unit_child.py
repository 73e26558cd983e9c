"""`python -m insitu.aot.unit_child TARGET EFFORT [light]`: a unit's IR from stdin, its object files to stdout."""

import pickle
import sys

from insitu.aot import units
from insitu.aot.targets import target

if __name__ == "__main__":
    name, effort, *light = sys.argv[1:]
    text = sys.stdin.buffer.read().decode()
    sys.stdout.buffer.write(pickle.dumps(units.compile_unit(text, target(name), effort, light=bool(light))))
