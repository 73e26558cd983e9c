"""`python -m insitu.aot.unit_child TARGET EFFORT`: units from stdin, the object files of each to stdout, as pickles.

A unit is its IR, and whether it is to be compiled with light passes, see optimise.optimise; None is the end.
"""

import pickle
import sys

from insitu.aot import garbage, units
from insitu.aot.targets import target

if __name__ == "__main__":
    name, effort = sys.argv[1:]
    with garbage.kept(), sys.stdin.buffer as units_in, sys.stdout.buffer as objects_out:
        for text, light in iter(lambda: pickle.load(units_in), None):
            objects_out.write(pickle.dumps(units.compile_unit(text, target(name), effort, light=light)))
            objects_out.flush()
