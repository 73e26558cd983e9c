"""A module that differs, made as small as `wasm-tools shrink` can, and kept in regressions/."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import generate
from tests.fuzz.worker import Worker

REGRESSIONS = Path(__file__).parent / "regressions"


def keep(seed: int, target: str) -> Path:
    """Shrink the seed's module; the file that the regression test reads from now on."""
    REGRESSIONS.mkdir(exist_ok=True)
    kept = REGRESSIONS / f"{seed}-{target}.wasm"
    with tempfile.TemporaryDirectory(prefix="insitu-fuzz-") as name:
        whole, small, predicate = Path(name, "whole.wasm"), Path(name, "small.wasm"), Path(name, "predicate.sh")
        whole.write_bytes(generate.module(seed))
        root = Path(__file__).parents[2]
        test = f'cd "{root}" && exec "{sys.executable}" -m tests.fuzz.shrink {seed} {target} "$1"'
        predicate.write_text(f"#!/bin/sh\n{test}\n")
        predicate.chmod(0o755)
        command = [
            str(generate.WASM_TOOLS),
            "shrink",
            str(predicate),
            str(whole),
            "-o",
            str(small),
            "--attempts",
            "200",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        kept.write_bytes((small if done.returncode == 0 and small.exists() else whole).read_bytes())
    return kept


def main() -> int:
    """Exit status 0 where the module still differs: what `wasm-tools shrink` asks."""
    seed, target, path = sys.argv[1:]
    with Worker() as worker:
        return 0 if worker.differences(int(seed), target, path) else 1


if __name__ == "__main__":
    sys.exit(main())
