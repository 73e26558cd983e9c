"""`python -m tests.telemetry --frames 100000`: the noisy line at length; status 1 where it does not do."""

from __future__ import annotations

import argparse
import sys

from tests.telemetry.noise import run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--frames", type=int, default=100_000)
parser.add_argument("--seed", type=int, default=0)
given = parser.parse_args()
found = run(given.frames, given.seed)
print(
    f"{found.sent} frames, {found.damaged} of them damaged: {found.accepted} accepted, {len(found.wrong)} of them "
    f"wrong; {found.lost} that are intact lost (--seed {given.seed})"
)
sys.exit(bool(found.wrong or found.lost))
