"""IR to finished IR: LLVM's passes, the operand stack checks, what code generation needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import llvmlite.binding as llvm

from insitu.aot import (
    far_calls,
    far_operands,
    inferred_alignment,
    partial_unroll,
    passes,
    polls,
    stack_checks,
    stand_ins,
    tails,
    twin_phis,
    versions,
)
from insitu.aot.blocks import CALLEE, in_each_function
from insitu.aot.targets import Unroll
from insitu.port.xip import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from insitu.aot.targets import Target

# LLVM's pass pipeline: speed 2 is -O2. Inlining more than this costs flash and gains little: the
# toolchain that wrote the module has already inlined what is worth it.
_SPEED_LEVEL = 2
INLINING_THRESHOLD = 30
# Where functions are compiled apart: -O1 behind the threading of jumps, which makes most of -O2's difference, in 0.8 of
# the time of -O2. The kernels take 1.008 of its instructions on Cortex-M4F and rv32, 1.016 on Cortex-M0+.
_SPEED_LEVEL_APART = 1
# Lines for each of LLVM's units, where functions are compiled apart: LLVM counts 5 for an instruction, and its first
# passes leave one of two lines; and takes off 25 and more for the call that is gone.
_INLINED_LINES = 2 / 3
_THRESHOLD = re.compile(r'"function-inline-threshold"="(\d+)"')
_HELPERS = ("@llvm.", "@insitu_")

# Fewer cannot make LLVM abort, see optimise.
_MANY_BRANCHES = 900
_BRANCH = "\n  br i1 "
_MANY_JUMPS = 5000
_JUMP = "\n  br "

# Functions and thunks, as ir.py names them, and what LLVM makes of them, of this unit and of others.
_PROGRAM = re.compile(r"^(?:define|declare) .*?@([ft]\d+(?:\.[^(]*)?)\(", re.MULTILINE)

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
# Of three calls in a block LLVM makes calls through a register on Thumb, where code is to be smallest. This one is none
# that has an address without a table of addresses.
_LEAVES = "@insitu_host_call("
_TRAP_DECLARATION = "declare void @insitu_trap(ptr, i32) #900\n"


_OPTIONS = (
    # Whether what is parsed is valid is asked here, once; where there are locations, LLVM's parser would ask before.
    "-disable-auto-upgrade-debug-info",
    "-arm-atomic-cfg-tidy=0",  # before code generation ARM would simplify control flow once more, nothing left to gain
    # A state machine's loop around a switch: from each state straight to those that it leads to. Such a kernel takes
    # 0.80 (Cortex-M4F) and 0.75 (rv32) of the instructions, others stay as they are.
    "-enable-dfa-jump-thread",
    # Parts of functions that are called with registers and frames as they are keep no contract.
    "-enable-machine-outliner=never",
    # Checks that both sides of a branch begin with are not made before it, all as one number.
    "-simplifycfg-hoist-common=0",
    # Loops whose rounds are counted when they are come to stay as they are, others are written out four times at most:
    # on Cortex-M4F the kernels take 0.997 of the instructions and 0.91 of the bytes.
    "-unroll-runtime=false",
    "-unroll-max-count=4",
    # Sums in another order for cores that execute several instructions at once: without it rv32's kernels take 0.996 of
    # the instructions and 0.997 of the bytes.
    "-riscv-enable-machine-combiner=false",
    "-unswitch-threshold=32",  # of _SEARCHES; with LLVM's, 50, counting words takes 1.04 on Cortex-M4F
    # What is computed before a loop, so that its checks become comparisons with the number of turns, is no more than a
    # sum: in loops of a few turns it is not worth it. A matcher of regular expressions takes 0.97 of the instructions
    # on Cortex-M4F, 0.94 on rv32; with 0 others take more on rv32.
    "-scev-cheap-expansion-budget=1",
    # Of two ways only one is gone, where what a choice makes of both would be more than an instruction: quantising,
    # which divides, takes 0.91 on Cortex-M4F.
    "-two-entry-phi-node-folding-threshold=1",
)
# Those that take time, a sixth of a large module's, which does without them.
_SEARCHES = (
    # A loop that asks each turn what stays the same is two loops: a merge sort by two keys takes 0.89 of the
    # instructions.
    "enable-nontrivial-unswitch",
    # Checks that never fail are found so: a matcher of regular expressions takes 0.97 of the instructions on rv32,
    # small systems of equations 0.97 on Cortex-M4F.
    "scalar-evolution-use-expensive-range-sharpening",
)


def _initialise() -> None:
    for option in _OPTIONS:
        llvm.set_option("insitu", option)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


_initialise()


def machine(target: Target, *, frames: bool = False) -> llvm.TargetMachine:
    """LLVM's description of the target; small PIC makes every relocation PC-relative. frames: as in generate.py."""
    features = target.features + ",+save-restore" * frames
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=features, opt=2, reloc="pic", codemodel="small"
    )


def may_abort(ir: str) -> bool:
    """Whether LLVM might abort in its passes: see optimise."""
    return ir.count(_BRANCH) > _MANY_BRANCHES


def has_giant(ir: str) -> bool:
    """Whether a function has so many blocks that they have to be merged before jump threading sees them, which takes as
    long as the square of their number.
    """
    return any(text.count(_JUMP) > _MANY_JUMPS for text in ir.split("\ndefine "))


def optimise(
    ir: str, target: Target, *, size: bool = False, unroll: bool = True, apart: bool = False, light: bool = False
) -> llvm.ModuleRef:
    """The module after LLVM's passes. Raises RuntimeError where LLVM does not accept it: a bug of ours.

    LLVM aborts where its control flow simplification takes more than 1000 rounds, which is seen only by
    trying: a module that is large enough, all in one function after inlining, is tried in a process of its own.

    size: for the fewest bytes. unroll: write loops out, where the target gains by it. apart: see efforts.Effort. light:
    passes that LLVM does not abort in.
    """
    for option in _SEARCHES:
        llvm.set_option("insitu", f"-{option}={str(not apart).lower()}")
    if apart:
        ir = with_small_ones_inlined(ir)
    module = llvm.parse_assembly(ir, llvm.create_context())  # of its own: what was compiled before leaves no trace
    module.verify()
    target_machine = machine(target)
    module.data_layout = str(target_machine.target_data)
    if size:
        for function in module.functions:
            if not function.is_declaration:
                function.add_function_attribute("optsize")
                if _LEAVES not in str(function):
                    function.add_function_attribute("minsize")
    with stand_ins.options(ir):
        if light:
            _light_passes(module, target_machine)
        else:
            _standard_passes(module, target_machine, ir, unroll=unroll and target.unroll is Unroll.ALL, apart=apart)
    return module


def with_small_ones_inlined(ir: str) -> str:
    """A module's text that asks for it, of functions that call no others."""
    return in_each_function(ir, _inlined_if_small)


def _inlined_if_small(text: str) -> str:
    """A function's text."""
    head, _, _ = text.partition("\n")
    threshold = _THRESHOLD.search(head)
    most = _INLINED_LINES * int(threshold[1] if threshold else INLINING_THRESHOLD)
    if "noinline" in head or text.partition("\n}")[0].count("\n") > most:
        return text
    if not all(callee.startswith(_HELPERS) for callee in CALLEE.findall(text)):
        return text
    return text.replace(" nounwind", " nounwind alwaysinline", 1)


def _standard_passes(
    module: llvm.ModuleRef, target_machine: llvm.TargetMachine, ir: str, *, unroll: bool, apart: bool
) -> None:
    """LLVM may abort. ir: the module's text."""
    if may_abort(ir):  # less likely where constant branches are decided first
        passes = llvm.create_new_module_pass_manager()
        passes.add_sccp_pass()
        passes.run(module, llvm.create_pass_builder(target_machine, _tuning(unroll=unroll)))
    _run(module, target_machine, unroll=unroll, apart=apart)


def again(module: llvm.ModuleRef, ir: str, target: Target, *, apart: bool) -> list[llvm.ModuleRef]:
    """A module after LLVM's passes once more, where ir, its text before them, has far calls: what those stood in the
    way of. It makes the cheaper code of most modules, not of all. apart: see optimise.
    """
    if far_calls.NAME not in ir:
        return []
    made = module.clone()
    with stand_ins.options(ir):
        _run(made, machine(target), unroll=False, apart=apart)
    return [made]


def _tuning(*, unroll: bool, level: int = _SPEED_LEVEL) -> llvm.PipelineTuningOptions:
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.inlining_threshold = INLINING_THRESHOLD
    options.loop_unrolling = unroll
    options.loop_vectorization = False
    options.slp_vectorization = False
    return options


def _run(module: llvm.ModuleRef, target_machine: llvm.TargetMachine, *, unroll: bool, apart: bool) -> None:
    builder = llvm.create_pass_builder(target_machine, _tuning(unroll=unroll))
    if not apart:
        builder.getModulePassManager().run(module, builder)
        return
    first = llvm.create_new_module_pass_manager()
    first.add_always_inliner_pass()
    first.add_global_dead_code_eliminate_pass()
    first.run(module, builder)
    threading = llvm.create_new_function_pass_manager()
    threading.add_sroa_pass()
    threading.add_jump_threading_pass()
    tuning = _tuning(unroll=unroll, level=_SPEED_LEVEL_APART)
    for function in module.functions:
        if not function.is_declaration:
            # of its own: llvmlite leaves what each run asks LLVM to tell it in the builder
            builder = llvm.create_pass_builder(target_machine, tuning)
            threading.run(function, builder)
            builder.getFunctionPassManager().run(function, builder)


def _light_passes(module: llvm.ModuleRef, target_machine: llvm.TargetMachine) -> None:
    """Passes of one function each; large ones keep their branches but for the constant ones."""
    builder = llvm.create_pass_builder(target_machine, llvm.create_pipeline_tuning_options())
    for function in module.functions:
        if not function.is_declaration:
            simplify = str(function).count(_BRANCH) <= _MANY_BRANCHES
            _function_passes(simplify).run(function, builder)


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
    program = set(_PROGRAM.findall(ir))
    text = in_each_function(ir, lambda function: stack_checks.checked(function, program)) + _DECLARATIONS
    return text if "declare void @insitu_trap(" in ir else text + _TRAP_DECLARATION


def _without_fences(text: str) -> str:
    """A function's text; a bitcast to the same type is nothing, and keeps the numbers of the values behind it."""
    converted = set(_CONVERTED.findall(text))
    return _FENCE.sub(lambda m: m[0] if m[1] in converted else f"{m[1]} = bitcast {m[2]} {m[3]} to {m[2]}", text)


def _fenced_types(target: Target) -> list[str]:
    """What FPv5 has in its registers, of LLVM's types."""
    if target.has_floats("double"):
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


# A definition's first line behind "define ", with what may stand behind its attributes.
_DEFINITION = re.compile(
    r"(?:weak )?(?:hidden |internal )?(.*?@([ft]\d[^(]*)\(.*?)"
    r"((?: align \d+)?(?: prefix i32 -?\d+)?(?: !dbg !\d+)?) \{"
)


def _in_sections(text: str) -> str:
    """Each function in a group of sections of its own, and known to other object files: the linker takes what is used.

    The group has the function's jump tables, too.
    """
    groups = []

    def grouped(function: str) -> str:
        head, _, rest = function.partition("\n")
        definition = _DEFINITION.fullmatch(head)
        if not definition:
            return function
        groups.append(f"${definition[2]} = comdat nodeduplicate")
        return f"hidden {definition[1]} comdat{definition[3]} {{\n{rest}"

    return "\n".join([in_each_function(text, grouped), *groups]) + "\n"


def finished(module: llvm.ModuleRef, target: Target, *, apart: bool = False, twice: bool = False) -> list[list[str]]:
    """IR for code generation: with stack checks, the fences that it needs and no others; each function apart.

    Of what polls, in several ways, one of which is the cheapest for a function. apart: as in optimise. twice: whether
    loops have a version without checks.
    """
    ways = [str(module)]
    if twice:
        text = versions.written(_unrolled(ways[0], target), target.soft_floats)
        ways = [far_operands.remade(versions.tidied(way), target) for way in _with_tails(text, target)]
    return [[_for_generation(way, target) for way in _checked(text, target, apart=apart)] for text in ways]


def _unrolled(text: str, target: Target) -> str:
    """A module's text, see partial_unroll.py."""
    return partial_unroll.unrolled(text, lambda: _of_a_function(target)) if target.unroll is Unroll.SHORT else text


def _of_a_function(target: Target) -> tuple[llvm.FunctionPassManager, llvm.PassBuilder]:
    """LLVM's passes that simplify a function."""
    builder = llvm.create_pass_builder(machine(target), _tuning(unroll=False))
    return builder.getFunctionPassManager(), builder


def _with_tails(text: str, target: Target) -> list[str]:
    """A module's text, and another way, where there is one (tails.py)."""
    changed, names = tails.written(text) if far_calls.NAME in text else (text, [])
    if not names:
        return [text]
    simplifying, builder = _of_a_function(target)
    with stand_ins.options(text):
        return [text, passes.run(changed, names, builder, simplifying)]


def _checked(text: str, target: Target, *, apart: bool) -> list[str]:
    """A module's text with stack checks; where it polls, in several ways."""
    text = twin_phis.joined(in_each_function(add_stack_checks(text), _without_fences))
    if apart:
        text = inferred_alignment.inferred(text)
    return polls.placed(text, target) if polls.wanted(text) else [text]


def _for_generation(text: str, target: Target) -> str:
    text = _in_sections(_with_choices_fenced(text, _fenced_types(target)))
    if not stand_ins.called(text):
        return text
    return polls.with_stand_in(far_calls.with_stand_ins(target, stand_ins.weak(text)))


def definitions(finished: str) -> Iterator[tuple[str, str]]:
    """Name and text of each function of the module's that finished IR defines."""
    for text in finished.split("\ndefine ")[1:]:
        head = _DEFINITION.fullmatch(text.partition("\n")[0])
        if head:
            yield head[2], text
