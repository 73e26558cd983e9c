"""Some of LLVM's passes, over some functions of a module's text."""

from __future__ import annotations

import llvmlite.binding as llvm


def passed(ir: str, functions: list[str], *add: str) -> str:
    """A module's IR after passes over functions of these names; add: methods of a pass manager."""
    builder = llvm.create_pass_builder(None, llvm.create_pipeline_tuning_options())
    return run(ir, functions, builder, made(*add))


def made(*add: str) -> llvm.FunctionPassManager:
    """A pass manager; add: its methods that add a pass."""
    passes = llvm.create_new_function_pass_manager()
    for method in add:
        getattr(passes, method)()
    return passes


def run(ir: str, functions: list[str], builder: llvm.PassBuilder, *passes: llvm.FunctionPassManager) -> str:
    """A module's IR after passes over functions of these names, one after the other."""
    module = llvm.parse_assembly(ir, llvm.create_context())
    module.verify()
    for name in functions:
        for manager in passes:
            manager.run(module.get_function(name), builder)
    return str(module)
