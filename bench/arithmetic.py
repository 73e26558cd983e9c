"""python -m bench.arithmetic [TARGET ...]: instructions of a call of the library for floats, by whose library it is.

On average over the calls that the kernels make: `double` of f64, `fir` of f32. What a routine calls itself is counted
with it. compiler-rt is clang's, at -O2; libgcc is GCC's; both as the kernels' yardstick is linked.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from insitu import aot, sim
from insitu.aot import link
from insitu.aot.targets import TARGETS, Target
from insitu.image.read import read
from insitu.sim import Cpu
from rich.console import Console
from rich.table import Table
from unicorn import unicorn_const

from bench import compiled, kernels, native

FOLDER = Path(__file__).parents[1] / "build" / "bench" / "arithmetic"
MEASURED = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "rv32imc")
# An instruction, the kernel that it is measured with, and the routine's names: Arm's (Run-time ABI for the Arm
# Architecture, 5.1.2), and libgcc's.
_ROUTINES = (
    ("f64.add", "double", {"__aeabi_dadd", "__adddf3"}),
    ("f64.sub", "double", {"__aeabi_dsub", "__subdf3"}),
    ("f64.mul", "double", {"__aeabi_dmul", "__muldf3"}),
    ("f32.add", "fir", {"__aeabi_fadd", "__addsf3"}),
    ("f32.mul", "fir", {"__aeabi_fmul", "__mulsf3"}),
)


class _Calls:
    """Calls of routines from program code, and the instructions of each until it is back."""

    def __init__(self, cpu: Cpu, program: list[range], names: Mapping[int, set[str]]) -> None:
        self.calls: Counter[int] = Counter()
        self.instructions: Counter[int] = Counter()
        self._names, self._program = names, {at for part in program for at in part}
        self._inside = 0
        cpu.uc.hook_add(unicorn_const.UC_HOOK_CODE, self._execute)

    def _execute(self, uc: Any, address: int, size: int, data: Any) -> None:
        if address in self._program:
            self._inside = 0
            return
        if not self._inside:
            self._inside = address
            self.calls[address] += 1
        self.instructions[self._inside] += 1

    def average(self, names: set[str]) -> float | None:
        """Instructions of a call of the routine with one of these names; None: there was none."""
        starts = [at for at in self.calls if not names.isdisjoint(self._names.get(at, ()))]
        calls = sum(self.calls[at] for at in starts)
        return sum(self.instructions[at] for at in starts) / calls if calls else None


def _named(symbols: list[tuple[int, str]]) -> dict[int, set[str]]:
    """Names by address. ziglang puts its library's files before the functions' names."""
    found: dict[int, set[str]] = {}
    for at, name in symbols:
        found.setdefault(at, set()).add(name.rpartition(".")[2])
    return found


def _functions(elf: bytes, code_bit: int) -> list[tuple[int, int, str]]:
    symbols = ELFFile(io.BytesIO(elf)).get_section_by_name(".symtab").iter_symbols()
    rows = [symbol for symbol in symbols if symbol["st_info"]["type"] == "STT_FUNC"]
    return [(row["st_value"] & ~code_bit, row["st_size"], row.name) for row in rows]


def _native(source: Path, target: Target, compiler: str) -> _Calls:
    made, elf = native.compile_kernel(source, target, FOLDER, compiler)
    own = {name for _, _, name in _functions(made, target.code_bit)}
    functions = _functions(elf, target.code_bit)
    cpu = Cpu(target.name)
    entry = native.load(elf, cpu)
    program = [range(at, at + size) for at, size, name in functions if name in own]
    found = _Calls(cpu, program, _named([(at, name) for at, _, name in functions]))
    cpu.call(entry, 1)
    return found


def _insitu(source: Path, target: Target) -> _Calls:
    built = aot.compile_module(compiled.compile_kernel(source, FOLDER, target), target.name)
    code = native.FLASH + read(built.image).code_offset
    cpu = sim.install(Cpu(target.name))
    from insitu import port

    cpu.map_flash(native.FLASH, built.image)
    instance = port.Runtime(bytearray(0x20000)).load(native.FLASH).instantiate(stack_size=4096)
    own = [piece for piece in built.code.pieces if link.is_program(piece.file)]
    program = [range(code + piece.offset, code + piece.offset + piece.size) for piece in own]
    names = _named([(code + at, name) for name, at in built.code.symbols.items()])
    found = _Calls(cpu, program, names)
    instance.exports.run(1)
    return found


def main() -> int:
    """One table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = Table("target", "instruction", "insitu", "compiler-rt", "libgcc")
    for name in sys.argv[1:] or MEASURED:
        target = TARGETS[name]
        for kernel in dict.fromkeys(kernel for _, kernel, _ in _ROUTINES):
            source = kernels.SOURCES / f"{kernel}.c"
            whose = [_insitu(source, target), _native(source, target, "clang"), _native(source, target, "gcc")]
            for instruction, of, names in _ROUTINES:
                averages = [calls.average(names) for calls in whose]
                if of == kernel and any(averages):
                    table.add_row(name, instruction, *("-" if a is None else f"{a:.0f}" for a in averages))
    Console(width=100).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
