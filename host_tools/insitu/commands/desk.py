"""`insitu selftest` of many boards at once, each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Say = Callable[[str, str], None]  # where, and a line of the report that comes from there
PORT, LABGRID = "--port", "--labgrid"  # options of `insitu selftest`


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a board. Attributes: where: its port or place; report: as JSON, None: it was not tested, and why."""

    where: str
    report: dict[str, Any] | None
    why: str

    @property
    def passed(self) -> bool:
        return self.report is not None and bool(self.report["passed"])

    def count(self, state: str) -> int:
        return sum(check["state"] == state for check in self.checks())

    def checks(self) -> list[dict[str, Any]]:
        return self.report["checks"] if self.report else []

    def about(self, section: str, name: str) -> str:
        """What the report says of the board, "" where there is none."""
        return str(self.report[section].get(name, "")) if self.report else ""

    def problem(self) -> str:
        """The first check that failed, or why there is no report; "" where all is well."""
        failed = (f"{check['name']}: {check['why']}" for check in self.checks() if check["state"] == "failed")
        return self.why or next(failed, "")

    def as_json(self) -> dict[str, Any]:
        return {"where": self.where, "report": self.report, "why": self.why}


def run_all(boards: Sequence[tuple[str, str]], say: Say) -> list[Result]:
    """Test all boards side by side.

    boards: PORT or LABGRID, and which. One that cannot be tested, or is lost on the way, does not end the others.
    """

    async def gathered(folder: Path) -> list[Result]:
        tests = (_test(how, where, folder / f"{number}.json", say) for number, (how, where) in enumerate(boards))
        return await asyncio.gather(*tests)

    with tempfile.TemporaryDirectory(prefix="insitu-desk-") as name:
        return asyncio.run(gathered(Path(name)))


async def _test(how: str, where: str, made: Path, say: Say) -> Result:
    command = (sys.executable, "-m", "insitu", "selftest", how, where, "--to", str(made))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    assert child.stdout is not None and child.stderr is not None

    async def follow(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            say(where, line.decode("utf-8", "replace").rstrip())

    try:
        _, errors = await asyncio.gather(follow(child.stdout), child.stderr.read())
        status = await child.wait()
    finally:
        if child.returncode is None:  # this process is being ended: let the board, and its place, go
            child.terminate()
            await child.wait()
    if made.exists():
        return Result(where, json.loads(made.read_text()), "")
    said = errors.decode("utf-8", "replace").strip().splitlines()
    return Result(where, None, said[-1].removeprefix("insitu: ") if said else f"it ended with status {status}")
