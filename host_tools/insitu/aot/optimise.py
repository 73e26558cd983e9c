"""IR to an object file: LLVM's passes, the operand stack checks, code generation."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import alignment, far_calls, stack_checks
from insitu.port.xip import layout

if TYPE_CHECKING:
    from insitu.aot.targets import Target

# LLVM's pass pipeline: speed 2 is -O2. Inlining more than this costs flash and gains little: the
# toolchain that wrote the module has already inlined what is worth it.
_SPEED_LEVEL = 2
_INLINING_THRESHOLD = 30

# Fewer cannot make LLVM abort, see optimise.
_MANY_BRANCHES = 900
_BRANCH = "\n  br i1 "

# A fence (numeric.py) whose operand is no constant yet: none of LLVM's later passes makes it one. Left in, it would
# hold a soft double in the FPU's registers. Those of conversions stay: code generation drops two that undo each other.
_FENCE = re.compile(r"(%\S+) = (?:tail )?call (\w+) @llvm\.arithmetic\.fence\.f\d\d\(\w+ (%[^)]+)\)")
_CONVERTED = re.compile(r" = (?:fptrunc double|fpext float) (%\S+) to ")

# A choice between floats. For FPv5, code generation takes one by a comparison of the same two for VMINNM or VMAXNM,
# which choose otherwise where one is a signaling NaN or they are zeros (Armv8-M Architecture Reference Manual,
# FPMinNum). Behind a fence the two are not the same; what is in the FPU's registers costs no instruction.
_CHOICE = re.compile(r"^  %(\S+) = (select i1 \S+, (float|double) )([^,\s]+)(?=, (?:float|double) )", re.MULTILINE)
_FENCES = {"float": "llvm.arithmetic.fence.f32", "double": "llvm.arithmetic.fence.f64"}

_DECLARATIONS = """
declare i32 @llvm.read_register.i32(metadata)
attributes #900 = { cold noreturn nounwind }
"""
_TRAP_DECLARATION = "declare void @insitu_trap(ptr, i32) #900\n"


_OPTIONS = (
    "-arm-atomic-cfg-tidy=0",  # before code generation ARM would simplify control flow once more, nothing left to gain
    # A state machine's loop around a switch: from each state straight to those that it leads to. Such a kernel takes
    # 0.80 (Cortex-M4F) and 0.75 (rv32) of the instructions, others stay as they are.
    "-enable-dfa-jump-thread",
    # Checks that both sides of a branch begin with are not made before it, all as one number.
    "-simplifycfg-hoist-common=0",
)


def _initialise() -> None:
    for option in _OPTIONS:
        llvm.set_option("insitu", option)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


_initialise()


def machine(target: Target) -> llvm.TargetMachine:
    """LLVM's description of the target; small PIC makes every relocation PC-relative."""
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
    )


def optimise(ir: str, target: Target) -> str:
    """The IR after LLVM's passes. Raises RuntimeError where LLVM does not accept it: a bug of ours.

    LLVM aborts where its control flow simplification takes more than 1000 rounds, which is seen only by
    trying: a module that is large enough, all in one function after inlining, is tried in a process of its own.
    """
    if ir.count(_BRANCH) <= _MANY_BRANCHES:
        return standard_passes(ir, target)
    command = [sys.executable, "-m", "insitu.aot.optimise_child", target.name]
    done = subprocess.run(command, input=ir, capture_output=True, text=True, check=False)
    if done.returncode > 0:
        raise RuntimeError(done.stderr)
    return done.stdout if done.returncode == 0 else _light_passes(ir, target)


def standard_passes(ir: str, target: Target, *, fold: bool = False) -> str:
    """The IR after LLVM's passes; LLVM may abort. fold: decide constant branches first, which makes it less likely."""
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
    if fold:
        passes = llvm.create_new_module_pass_manager()
        passes.add_sccp_pass()
        passes.run(module, builder)
    with far_calls.options(ir):
        builder.getModulePassManager().run(module, builder)
    return str(module)


def _light_passes(ir: str, target: Target) -> str:
    """The IR after passes of one function each; large ones keep their branches but for the constant ones."""
    module = llvm.parse_assembly(ir)
    target_machine = machine(target)
    module.data_layout = str(target_machine.target_data)
    builder = llvm.create_pass_builder(target_machine, llvm.create_pipeline_tuning_options())
    for function in module.functions:
        if not function.is_declaration:
            simplify = str(function).count(_BRANCH) <= _MANY_BRANCHES
            _function_passes(simplify).run(function, builder)
    return str(module)


def _function_passes(simplify: bool) -> llvm.FunctionPassManager:
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    passes.add_sccp_pass()
    passes.add_instruction_combine_pass()
    if simplify:
        passes.add_simplify_cfg_pass()
    passes.add_new_gvn_pass()
    passes.add_instruction_combine_pass()
    passes.add_aggressive_dce_pass()
    return passes


def add_stack_checks(ir: str) -> str:
    """Put the operand stack check into every function that still calls another: see stack_checks.py.

    What calls nothing but helpers and the runtime is covered by the stack guard (contract/stack.py, which also finds
    out whether a check is missing).
    """
    module = llvm.parse_assembly(ir)
    defined = [function.name for function in module.functions if not function.is_declaration]
    program = {name for name in defined if name.partition(".")[0] not in alignment.NAMES}
    head, *functions = ir.split("\ndefine ")
    checked = (stack_checks.checked(text, program) for text in functions)
    text = "\ndefine ".join([head, *checked]) + _DECLARATIONS
    return text if "declare void @insitu_trap(" in ir else text + _TRAP_DECLARATION


def _without_fences(text: str) -> str:
    """A function's text; a bitcast to the same type is nothing, and keeps the numbers of the values behind it."""
    converted = set(_CONVERTED.findall(text))
    return _FENCE.sub(lambda m: m[0] if m[1] in converted else f"{m[1]} = bitcast {m[2]} {m[3]} to {m[2]}", text)


def _fenced_types(target: Target) -> list[str]:
    """What FPv5 has in its registers, of LLVM's types."""
    if target.cpu_features & layout.FEATURE_DOUBLE:
        return ["float", "double"]
    return ["float"] if target.cpu_features & layout.FEATURE_ARMV8M else []


def _with_choices_fenced(text: str, types: list[str]) -> str:
    """A module's text."""

    def fenced(choice: re.Match[str]) -> str:
        name, select, kind, value = choice.groups()
        if kind not in types:
            return choice[0]
        return f"  %chosen.{name} = call {kind} @{_FENCES[kind]}({kind} {value})\n  %{name} = {select}%chosen.{name}"

    text = _CHOICE.sub(fenced, text)
    needed = (f"declare {kind} @{_FENCES[kind]}({kind})" for kind in types)
    return "\n".join([text, *(line for line in needed if line not in text)]) + "\n"


def finished(ir: str, target: Target) -> str:
    """The IR with the fences that code generation needs, and no others."""
    text = "\ndefine ".join(map(_without_fences, ir.split("\ndefine ")))
    return _with_choices_fenced(text, _fenced_types(target))


def generate(ir: str, target: Target) -> bytes:
    """The object file of IR with its stack checks."""
    module = llvm.parse_assembly(far_calls.with_stand_ins(finished(ir, target)))
    module.verify()
    with far_calls.options(ir):
        return bytes(machine(target).emit_object(module))
