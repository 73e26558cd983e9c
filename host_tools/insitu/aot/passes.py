"""Some of LLVM's passes, over some functions of a module's text."""

from __future__ import annotations

import llvmlite.binding as llvm


def passed(ir: str, functions: list[str], *add: str) -> str:
    """A module's IR after passes over functions of these names; add: methods of a pass manager."""
    module = llvm.parse_assembly(ir, llvm.create_context())
    module.verify()
    passes = llvm.create_new_function_pass_manager()
    for method in add:
        getattr(passes, method)()
    builder = llvm.create_pass_builder(None, llvm.create_pipeline_tuning_options())
    for name in functions:
        passes.run(module.get_function(name), builder)
    return str(module)
