"""One script on one machine. It has a process of its own: an abort of LLVM or a hang ends nothing else.

A script is a .wast, or the .json that wast2json made of one, its modules beside it. A command there with a field
"absent" says why its module is not: what needs the module is skipped for that reason.

`python -m tests.spec.worker SCRIPT TARGET MACHINE` prints JSON, a line each: how many commands there are, then for
every command [line, "passed" | "failed" | "skipped", why].
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from insitu import aot
from insitu.aot.window import Wanted
from insitu.errors import InsituError
from insitu.wasm.decode import decode
from insitu.wasm.errors import Invalid, Malformed

from tests.spec import wabt
from tests.spec.departures import DEPARTURES
from tests.spec.judge import JUDGES, argument, verdict
from tests.spec.machines import MACHINES, Came, Step

Outcome = tuple[str, Any]  # a kind and what came of it, see device.py

_SPECTEST = Path(__file__).with_name("spectest.wat")
_SETUP: list[Step] = [("instantiate", 0, None), ("register", None, "spectest"), ("forget",)]
_MODULE_STEPS = {"module": "instantiate", "assert_unlinkable": "try_module", "assert_uninstantiable": "try_module"}
_REFUSED = ("assert_malformed", "assert_invalid")


@dataclass(slots=True)
class Prepared:
    """A command before anything runs: what it makes the machine do, what is known of it without a machine."""

    command: dict[str, Any]
    step: Step | None = None
    outcome: Outcome | None = None
    skipped: str = ""
    departure: str = ""


def compile_module(data: bytes, target: str, window: Wanted | None = None, interruptible: bool = False) -> Outcome:
    """("values", the image), or why there is none."""
    try:
        return "values", aot.compile_wasm(data, target, aot.Options(window=window, interruptible=interruptible))
    except Malformed as error:
        return "malformed", error.reason
    except Invalid as error:
        return "invalid", error.reason
    except InsituError as error:
        return "refused", str(error)


class Absent:
    """What a script's commands cannot do since a module is absent, and why.

    Attributes:
        instances: of names of the script, and None for the current instance; registered: of names to import from.
    """

    def __init__(self) -> None:
        self.instances: dict[str | None, str] = {}
        self.registered: dict[str, str] = {}
        self._effects = ""

    def reason(self, command: dict[str, Any], folder: Path) -> str:
        """Why the command is to be skipped, "": it is not. Commands are asked for in their order."""
        kind = command["type"]
        if kind in _MODULE_STEPS:
            return self._module(command, folder)
        if "absent" in command:
            return str(command["absent"])
        if kind == "register":
            reason = self.instances.get(command.get("name"), "")
            self._note(self.registered, command["as"], reason)
            return reason
        if "action" in command:
            return self._effects or self.instances.get(command["action"].get("module"), "")
        return ""

    def _module(self, command: dict[str, Any], folder: Path) -> str:
        reason = str(command.get("absent") or self._import(command, folder))
        if command["type"] == "module":
            self._effects = ""
            for name in {None, command.get("name")}:
                self._note(self.instances, name, reason)
        self._effects = reason or self._effects  # it would have written into what it shares with others
        return reason

    def _import(self, command: dict[str, Any], folder: Path) -> str:
        if not self.registered:
            return ""
        module = decode((folder / command["filename"]).read_bytes())
        return next((self.registered[i.module] for i in module.imports if i.module in self.registered), "")

    @staticmethod
    def _note(table: dict[Any, str], name: str | None, reason: str) -> None:
        table.pop(name, None)
        if reason:
            table[name] = reason


class Preparation:
    """Turns a script's commands into images and steps."""

    def __init__(self, target: str, folder: Path, window: Wanted | None = None, interruptible: bool = False) -> None:
        self.target, self.folder, self.window, self.interruptible = target, folder, window, interruptible
        self.images: list[bytes] = []
        self.absent = Absent()

    def prepare(self, command: dict[str, Any]) -> Prepared:
        """One command; those that must be in a script's order are prepared in it."""
        kind = command["type"]
        if reason := self.absent.reason(command, self.folder):
            return Prepared(command, ("forget",) if kind == "module" else None, skipped=reason)
        if kind not in JUDGES:
            return Prepared(command, outcome=("unknown", f"the command {kind}"))
        if kind == "assert_malformed" and command["module_type"] == "text":
            return Prepared(command, skipped="text format")
        if kind in _REFUSED:
            return Prepared(command, outcome=self._compile(command))
        if kind in _MODULE_STEPS:
            return self._module(command)
        if kind == "register":
            return Prepared(command, ("register", command.get("name"), command["as"]))
        return Prepared(command, _action(command["action"]))

    def add(self, image: bytes) -> int:
        """The image's number."""
        self.images.append(image)
        return len(self.images) - 1

    def _compile(self, command: dict[str, Any]) -> Outcome:
        path = self.folder / command["filename"]
        text = command.get("module_type") == "text"
        data = wabt.assemble(path, self.folder, "--no-check") if text else path.read_bytes()
        return compile_module(data, self.target, self.window, self.interruptible)

    def _module(self, command: dict[str, Any]) -> Prepared:
        outcome = self._compile(command)
        if outcome[0] != "values":
            return Prepared(command, ("forget",) if command["type"] == "module" else None, outcome)
        return Prepared(command, (_MODULE_STEPS[command["type"]], self.add(outcome[1]), command.get("name")))


def _action(action: dict[str, Any]) -> Step:
    if action["type"] == "get":
        return "get", action.get("module"), action["field"]
    return "invoke", action.get("module"), action["field"], [argument(value) for value in action["args"]]


@functools.cache
def spectest(target: str) -> bytes:
    """The image of what every script may import. Raises InsituError, WabtError."""
    with tempfile.TemporaryDirectory(prefix="insitu-spec-") as name:
        return aot.compile_wasm(wabt.assemble(_SPECTEST, Path(name)), target)


def _takes_memory(command: dict[str, Any], folder: Path) -> bool:
    """Whether the command is to make an instance that imports a memory of another module of the script's."""
    if command["type"] != "module" or "absent" in command:
        return False
    module = decode((folder / command["filename"]).read_bytes())
    return any(i.kind == "memory" and i.module != "spectest" for i in module.imports)


def run(
    script: Path, target: str, machine: str, window: Wanted | None = None, interruptible: bool = False
) -> Iterator[Any]:
    """The number of commands, then each one's [line, result, why]."""
    with tempfile.TemporaryDirectory(prefix="insitu-spec-") as name:
        folder, commands = wabt.commands(script, Path(name))
        yield len(commands)
        shared = any(_takes_memory(command, folder) for command in commands)  # whose owner has no window
        preparation = Preparation(target, folder, None if shared else window, interruptible)
        preparation.add(spectest(target))
        prepared = [preparation.prepare(command) for command in commands]
        departures = DEPARTURES.get(script.name, {})
        for p in prepared:
            p.departure = departures.get(p.command["line"], "")
    steps = [p.step for p in prepared if p.step]
    with MACHINES[machine](target, preparation.images) as running:
        came = running.run([*_SETUP, *steps])
        for step in _SETUP:
            kind, what, _ = next(came)
            if kind != "values":
                raise InsituError(f"spectest: {step[0]}: {what}")
        for p in prepared:
            yield _result(p, next(came) if p.step else None)


def _result(prepared: Prepared, came: Came | None) -> tuple[int, str, str]:
    kind, line, wanted = prepared.command["type"], prepared.command["line"], came[2] if came else 0
    if prepared.skipped:
        return line, "skipped", prepared.skipped
    outcome = prepared.outcome or (came and came[:2])
    assert outcome is not None
    wrong = verdict(prepared.command, outcome) if kind in JUDGES else f"{outcome[0]}: {outcome[1]}"
    if wrong and prepared.departure:
        return line, "skipped", prepared.departure
    if wrong and wanted:
        return line, "skipped", "more memory than the machine has"
    return (line, "failed", f"{kind}: {wrong}") if wrong else (line, "passed", "")


def report(script: Path, target: str, machine: str, window: Wanted | None = None, interruptible: bool = False) -> int:
    """Print a script's lines; the exit status."""
    try:
        for line in run(script, target, machine, window, interruptible):
            print(json.dumps(line), flush=True)
    except (wabt.WabtError, InsituError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(report(Path(sys.argv[1]), *sys.argv[2:]))
