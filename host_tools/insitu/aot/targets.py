"""The CPUs that images are made for, one row a target.

To add one: a row here, an assembly stub in stubs/, an ARCH_* number in port/xip/layout.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from insitu.errors import InsituError
from insitu.port.xip import layout


class Unroll(Enum):
    """Which loops are written out.

    ALL: those that LLVM writes out, by what compiles to WebAssembly and here. EARLY: by the former, where the number of
    turns is known. SHORT: short ones with a constant number of turns, here (partial_unroll.py).
    """

    ALL, EARLY, SHORT = "all", "early", "short"


@dataclass(frozen=True, slots=True)
class Target:
    """What LLVM, the linker and the loader must know of a CPU.

    Attributes:
        arch: layout.ARCH_*, written into the image.
        cpu_features: layout.FEATURE_* bits that the device must have.
        triple, cpu, features: LLVM's names; four-part triples, or LLVM picks other library calls.
        zig_target, zig_cpu: the same CPU for ziglang's assembler, linker and compiler-rt.
        stub: file in stubs/; stub_defines: its preprocessor names.
        code_bit: what is added to a code address that is called (Thumb's bit 0).
        exception_frame: bytes that an interrupt pushes onto the operand stack
            (ARMv7-M Architecture Reference Manual, B1.5.6: 8 words, 26 with FPU state, and 4 to align).
        unaligned: whether the CPU takes loads and stores at any address; see memory.py.
        tail_calls: whether LLVM can make a call the last jump of a function; not where Thumb has no b.w.
        instance_register: whether functions that only their own module calls are given the instance pointer in a
            register that calls keep, r10 (LLVM's swiftself). Cortex-M0+ can do little with r10, RISC-V has none.
        frames: file in stubs/ with routines that save and restore registers, for functions that are to be small; "":
            there are none, as Arm has instructions for that.
        few_registers: whether most instructions take half of them only, as on ARMv6-M.
        unroll: which loops are written out; what clang does for the same CPU but where a row says why not.
        copies: of a loop over data, at most (unroll.py). On rv32 kernels take 1.007 of the instructions and 0.98 of the
            bytes with two instead of four; on Cortex-M0+ 1.01 for that.
    """

    name: str
    arch: int
    cpu_features: int
    triple: str
    cpu: str
    features: str
    zig_target: str
    zig_cpu: str
    stub: str
    stub_defines: tuple[str, ...]
    code_bit: int
    exception_frame: int
    unaligned: bool
    tail_calls: bool
    instance_register: bool
    frames: str
    few_registers: bool
    unroll: Unroll
    copies: int

    def has_floats(self, ir_type: str) -> bool:
        """Whether the CPU has instructions for LLVM's "float" or "double"."""
        return bool(self.cpu_features & (layout.FEATURE_FPU if ir_type == "float" else layout.FEATURE_DOUBLE))

    @property
    def soft_floats(self) -> list[str]:
        """Those that it has none for."""
        return [ir_type for ir_type in ("float", "double") if not self.has_floats(ir_type)]


_ROWS = (
    Target(
        name="cortex-m0plus",
        arch=layout.ARCH_ARMV6M,
        cpu_features=0,
        triple="thumbv6m-none-unknown-eabi",
        cpu="cortex-m0plus",
        features="",
        zig_target="thumb-freestanding-eabi",
        zig_cpu="cortex_m0plus",
        stub="thumb.S",
        stub_defines=(),
        code_bit=1,
        exception_frame=36,
        unaligned=False,
        tail_calls=False,
        instance_register=False,
        frames="",
        few_registers=True,
        # ALL: 2% fewer instructions of the kernels for 46% more bytes, and an RP2040 caches 16 KiB of flash
        unroll=Unroll.EARLY,
        copies=4,
    ),
    Target(
        name="cortex-m3",
        arch=layout.ARCH_THUMB,
        cpu_features=0,
        triple="thumbv7m-none-unknown-eabi",
        cpu="cortex-m3",
        features="",
        zig_target="thumb-freestanding-eabi",
        zig_cpu="cortex_m3",
        stub="thumb.S",
        stub_defines=(),
        code_bit=1,
        exception_frame=36,
        unaligned=True,
        tail_calls=True,
        instance_register=True,
        frames="",
        few_registers=False,
        unroll=Unroll.ALL,
        copies=4,
    ),
    Target(
        name="cortex-m4f",
        arch=layout.ARCH_THUMB_HARD_FLOAT,
        cpu_features=layout.FEATURE_FPU,
        triple="thumbv7em-none-unknown-eabihf",
        cpu="cortex-m4",
        features="+vfp4d16sp",
        zig_target="thumb-freestanding-eabihf",
        zig_cpu="cortex_m4+vfp4d16sp",
        stub="thumb.S",
        stub_defines=("FPU",),
        code_bit=1,
        exception_frame=108,
        unaligned=True,
        tail_calls=True,
        instance_register=True,
        frames="",
        few_registers=False,
        unroll=Unroll.ALL,
        copies=4,
    ),
    # Cortex-M7 with a double-precision FPU (FPv5-D16); one with single precision alone runs what is for a Cortex-M4F.
    Target(
        name="cortex-m7",
        arch=layout.ARCH_THUMB_HARD_FLOAT,
        cpu_features=layout.FEATURE_FPU | layout.FEATURE_DOUBLE,
        triple="thumbv7em-none-unknown-eabihf",
        cpu="cortex-m7",
        features="",
        zig_target="thumb-freestanding-eabihf",
        zig_cpu="cortex_m7+fp_armv8d16",
        stub="thumb.S",
        stub_defines=("FPU",),
        code_bit=1,
        exception_frame=108,
        unaligned=True,
        tail_calls=True,
        instance_register=True,
        frames="",
        few_registers=False,
        unroll=Unroll.ALL,
        copies=4,
    ),
    Target(
        name="cortex-m33",
        arch=layout.ARCH_THUMB_HARD_FLOAT,
        cpu_features=layout.FEATURE_FPU | layout.FEATURE_ARMV8M,
        triple="thumbv8m.main-none-unknown-eabihf",
        cpu="cortex-m33",
        features="",
        zig_target="thumb-freestanding-eabihf",
        zig_cpu="cortex_m33+fp_armv8d16sp",
        stub="thumb.S",
        stub_defines=("FPU",),
        code_bit=1,
        exception_frame=108,
        unaligned=True,
        tail_calls=True,
        instance_register=True,
        frames="",
        few_registers=False,
        unroll=Unroll.ALL,
        copies=4,
    ),
    Target(
        name="rv32imc",
        arch=layout.ARCH_RV32,
        cpu_features=layout.FEATURE_UNALIGNED,
        triple="riscv32-unknown-unknown-elf",
        cpu="generic-rv32",
        features="+m,+c,+relax,+unaligned-scalar-mem",
        zig_target="riscv32-freestanding-none",
        zig_cpu="generic_rv32+m+c+unaligned_scalar_mem",
        stub="rv32.S",
        stub_defines=(),
        code_bit=0,
        exception_frame=128,  # ESP-IDF, before it takes a stack of its own: components/riscv/vectors.S
        # ESP32-C3 Series SoC Errata: the core makes two loads of one across a word's end. It may check the second one's
        # permission by that of a store right behind: compiled code has both in RAM, with the same.
        unaligned=True,
        tail_calls=True,
        instance_register=False,
        frames="frames_rv32.S",
        few_registers=False,
        unroll=Unroll.SHORT,
        copies=2,
    ),
    # The RP2350's RISC-V core (RP2350 datasheet, 3.8; instructions: Hazard3's doc/sections/introduction.adoc). A
    # misaligned access is an exception there. Its Zcb and Zcmp are left out: no disassembler here knows them, and the
    # frames of what cannot be read cannot be counted.
    Target(
        name="hazard3",
        arch=layout.ARCH_RV32,
        cpu_features=layout.FEATURE_BITS,
        triple="riscv32-unknown-unknown-elf",
        cpu="generic-rv32",
        features="+m,+c,+relax,+zba,+zbb,+zbs,+zbkb",
        zig_target="riscv32-freestanding-none",
        zig_cpu="generic_rv32+m+c+zba+zbb+zbs+zbkb",
        stub="rv32.S",
        stub_defines=(),
        code_bit=0,
        exception_frame=0,
        unaligned=False,
        tail_calls=True,
        instance_register=False,
        frames="frames_rv32.S",
        few_registers=False,
        unroll=Unroll.SHORT,
        copies=2,
    ),
)

TARGETS = {row.name: row for row in _ROWS}


def target(name: str) -> Target:
    """The target called name; raises InsituError with the names there are."""
    if name not in TARGETS:
        raise InsituError(f'unknown target "{name}"; there are: {", ".join(TARGETS)}')
    return TARGETS[name]
