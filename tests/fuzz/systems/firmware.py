"""Systems on a board's real firmware: all of them behind one boot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.firmware import Firmware
from tests.fuzz.systems import compare, generate
from tests.fuzz.systems.compare import Report

_HERE = Path(__file__).parent
_SOURCES = [_HERE / "host.py", _HERE / "device.py"]
_HEAP = 1 << 20
_ALIGN = 16
_DEPTH = 2  # of host functions


class _Answers:
    """Stands for a device whose answers are all there already."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = iter(answers)

    def step(self, *step: Any) -> Any:
        answer = next(self._answers)
        if answer[0] == "exception":
            return answer[1], [], [], False, f"Python's own exception: {answer[1]}"
        return answer


def compare_all(seeds: range, target: str) -> dict[int, Report]:
    """Each seed's system on the target's board against wasmtime."""
    systems = {seed: generate.system(seed) for seed in seeds}
    images = {seed: compare.compile_system(system, target) for seed, system in systems.items()}
    data, places = bytearray(), {}
    for seed in seeds:
        places[seed] = []
        for image in images[seed]:
            places[seed].append(len(data))
            data += image + bytes(-len(image) % _ALIGN)
    found = {}
    with Firmware(target, bytes(data), _SOURCES) as firmware:
        for seed, system in systems.items():
            addresses = [firmware.flash + at for at in places[seed]]
            parts = (addresses, system.hosts, system.names, system.constants, (firmware.heap[0], _HEAP))
            firmware.run(
                f"import gc\ndevice = None\ngc.collect()\ndevice = Device(*{parts!a})\ndevice.host.most = {_DEPTH}\n"
            )
            answers = firmware.answers("device.step", system.steps)
            firmware.run("device.runtime.destroy()\n")
            found[seed] = compare.differences(system, target, "pool", images[seed], _Answers(answers), _DEPTH)
    return found
