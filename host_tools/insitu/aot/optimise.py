"""IR to an object file: LLVM's passes, the operand stack checks, code generation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.targets import Target

# LLVM's pass pipeline: speed 2 is -O2. Inlining more than this costs flash and gains little: the
# toolchain that wrote the module has already inlined what is worth it.
_SPEED_LEVEL = 2
_INLINING_THRESHOLD = 30

_DEFINE = re.compile(r"^define [^\n]*@(\"?[\w.]+\"?)\(")
_MARK = re.compile(r"^\s*(tail |notail |musttail )?call void @insitu_stack_check\(.*$")
_REAL_CALL = re.compile(r"\bcall\b[^@%]*?(?:@f\d|%[\w.]+\()")

# Whether the operand stack has room is asked with the stack pointer as the prologue left it: see docs/SPEC.md.
_CHECK = """insitu.check:
  %insitu.cell.at = getelementptr i8, ptr %inst, i32 -{runtime}
  %insitu.cell = load ptr, ptr %insitu.cell.at, align 4
  %insitu.limit.at = getelementptr i8, ptr %insitu.cell, i32 {limit}
  %insitu.limit = load i32, ptr %insitu.limit.at, align 4
  %insitu.sp = call i32 @llvm.read_register.i32(metadata !{{!"sp"}})
  %insitu.low = icmp ult i32 %insitu.sp, %insitu.limit
  br i1 %insitu.low, label %insitu.overflow, label %entry, !prof !{{!"branch_weights", i32 1, i32 1048575}}
insitu.overflow:
  call void @insitu_trap(ptr %inst, i32 {trap}) #900
  unreachable
"""
_DECLARATIONS = """
declare i32 @llvm.read_register.i32(metadata)
attributes #900 = { cold noreturn nounwind }
"""
_TRAP_DECLARATION = "declare void @insitu_trap(ptr, i32) #900\n"


def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


_initialise()


def machine(target: Target) -> llvm.TargetMachine:
    """LLVM's description of the target; small PIC makes every relocation PC-relative."""
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
    )


def optimise(ir: str, target: Target) -> str:
    """The IR after LLVM's passes. Raises RuntimeError where LLVM does not accept it: a bug of ours."""
    module = llvm.parse_assembly(ir)
    module.verify()
    target_machine = machine(target)
    module.data_layout = str(target_machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED_LEVEL)
    options.inlining_threshold = _INLINING_THRESHOLD
    options.loop_unrolling = target.unroll
    options.loop_vectorization = False
    options.slp_vectorization = False
    builder = llvm.create_pass_builder(target_machine, options)
    builder.getModulePassManager().run(module, builder)
    return str(module)


def add_stack_checks(ir: str) -> str:
    """Put the operand stack check at the head of every function that still calls another.

    What calls nothing but library helpers and the runtime is covered by the stack guard, which is at least
    its frame (frames.py). The marks that kept the instance parameter alive are taken out.
    """
    functions, out = ir.split("\ndefine "), []
    for number, text in enumerate(functions):
        if number:
            text = _with_check("define " + text)
        out.append(text)
    text = "\n".join(out) + _DECLARATIONS
    return text if "declare void @insitu_trap(" in ir else text + _TRAP_DECLARATION


def _with_check(text: str) -> str:
    lines = text.split("\n")
    kept = [line for line in lines if not _MARK.match(line)]
    marked = len(kept) != len(lines)
    if marked and any(_REAL_CALL.search(line) for line in kept[1:]):
        check = _CHECK.format(
            runtime=layout.INSTANCE_RUNTIME,
            limit=layout.CELL_LIMIT,
            trap=layout.TRAP_OPERAND_STACK_OVERFLOW,
        )
        kept.insert(1, check.rstrip("\n"))
    return "\n".join(kept)


def generate(ir: str, target: Target) -> bytes:
    """The object file of finished IR."""
    module = llvm.parse_assembly(ir)
    module.verify()
    return bytes(machine(target).emit_object(module))
