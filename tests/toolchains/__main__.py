"""python -m tests.toolchains: a table of what each tool chain's modules take, in Markdown."""

from __future__ import annotations

import tempfile
from pathlib import Path

from insitu import aot
from insitu.commands.inspect import image_facts

from tests.toolchains.table import MODULES

TARGET = "cortex-m4f"


def main() -> None:
    print(f"| tool chain | variant | wasm | image ({TARGET}) | code | linear memory | |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for module in MODULES:
            if module.missing:
                print(f"| {module.tool} | {module.variant} | {module.missing} |||||")
                continue
            wasm = module.compile(Path(folder))
            image = aot.compile_wasm(wasm, TARGET)
            facts = image_facts(image)
            sizes = (len(wasm), len(image), facts["code_bytes"], facts["linear_memory"])
            shown = " | ".join(f"{size:,}" for size in sizes)
            print(f"| {module.tool} | {module.variant} | {shown} | {facts['linear_memory_note']} |")


if __name__ == "__main__":
    main()
