"""`insitu inspect`: what a module or an image holds, and the RAM that an instance will need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from insitu.aot.plan import Plan
from insitu.aot.targets import TARGETS
from insitu.errors import InsituError
from insitu.image.read import ARCH_NAMES, Image, read
from insitu.port.xip import layout
from insitu.wasm.decode import decode
from insitu.wasm.errors import WasmError
from insitu.wasm.module import Module
from insitu.wasm.validate import validate

_ANY_TARGET = next(iter(TARGETS.values()))  # the layout of an instance is the same for all
_MISSING = {"operand_stack_needed": "not known: there is recursion"}


def _optional(value: int) -> int | None:
    return None if value == layout.NONE else value


def block_bytes(size: int) -> int:
    """What a block of a global heap of up to 512 KiB takes for size bytes, its header apart (port/heap/control.py)."""
    return max((size + 11) // 8, 2) * 8 - 4


@dataclass(frozen=True, slots=True)
class Layout:
    """What of an instance lies where, in bytes: as an image says it, and as the compiler plans it.

    Attributes:
        instance: the block below the instance pointer.
        memory: linear memory of its own at instantiation.
            Of one with a window, the window.
        inside: whether linear memory lies in the instance's block.
        far: the table of far pages, 0 without a window. They themselves come later.
        tables: of each that has a block of its own.
    """

    instance: int
    memory: int
    slack: int
    inside: bool
    tables: tuple[int, ...]
    far: int = 0


_FAR_TABLE = layout.FAR_SLOTS * layout.FAR_SLOT


def image_layout(image: Image) -> Layout:
    """Read from the header and the tables."""
    flags = image.word(layout.IMAGE_FLAGS)
    tables = tuple(max(count, 1) * size for count, size in image.tables_apart)
    if image.window is not None:
        return Layout(image.word(layout.IMAGE_INSTANCE_SIZE), image.window, 0, True, tables, _FAR_TABLE)
    return Layout(
        instance=image.word(layout.IMAGE_INSTANCE_SIZE),
        memory=0 if flags & layout.FLAG_MEMORY_IMPORTED else image.memory_size,
        slack=image.memory_slack,
        inside=bool(flags & layout.FLAG_MEMORY_FIXED),
        tables=tables,
    )


def planned_layout(plan: Plan) -> Layout:
    """Decided before there is any code."""
    own = plan.tables[plan.wasm.imported_table_count :]
    return Layout(
        instance=plan.instance_size,
        memory=0 if plan.wasm.imported_memory_count else plan.memory.size,
        slack=plan.memory.slack,
        inside=plan.memory.fixed,
        tables=tuple(max(t.length, 1) * t.entry_size for t in own if not t.entries),
    )


def ram(found: Layout, stack: int) -> dict[str, int]:
    """Bytes of the global heap that one instance with one exec env takes, by pool; they add up to the last.

    As it is right after instantiation: memory and tables may grow, and imported constants take 12 bytes each.
    """
    memory, apart = found.memory, found.memory > 0 and not found.inside
    inside = memory + found.slack
    pools = {
        "runtime": block_bytes(layout.CELL_SIZE),
        "module": 0,
        "instance": block_bytes(found.instance + inside) - memory if found.inside else block_bytes(found.instance),
        "tables": sum(map(block_bytes, found.tables)),
        "linear_memory": block_bytes(memory) if apart else memory,
        "exec_env": block_bytes(layout.ENV_SIZE + stack) - stack,
        "operand_stack": stack,
        "block_headers": 4 * (3 + len(found.tables) + apart + bool(found.far)),
    }
    if found.far:
        pools["far_pages"] = block_bytes(found.far)
    return {**pools, "sum": sum(pools.values())}


def image_facts(data: bytes, stack: int = 2048) -> dict[str, Any]:
    """Sizes and names of an image. Keys in bytes: image, code, tables, data; RAM by pool."""
    image: Image = read(data)
    word = image.word
    return {
        "kind": "image",
        "arch": ARCH_NAMES.get(image.arch, str(image.arch)),
        "image_bytes": len(data),
        "code_bytes": image.code_size,
        "table_bytes": image.tables_size,
        "data_bytes": image.segments_size,
        "imports": [{"module": m, "name": n, "kind": k, "type": t} for m, n, k, t in image.imports],
        "exports": [{"name": n, "kind": k, "type": t} for n, k, t in image.exports],
        "data_end": _optional(word(layout.IMAGE_DATA_END)),
        "heap_base": _optional(word(layout.IMAGE_HEAP_BASE)),
        "aux_stack_bottom": word(layout.IMAGE_AUX_STACK_BOTTOM),
        "aux_stack_size": word(layout.IMAGE_AUX_STACK_SIZE),
        "linear_memory": image.memory_size,
        "page_size": image.page_size,
        "linear_memory_note": image.memory_note(),
        "linear_memory_hint": image.memory_hint(),
        "ram": ram(image_layout(image), stack),
        "stack_guard": word(layout.IMAGE_STACK_GUARD),
        "operand_stack_needed": _optional(word(layout.IMAGE_STACK_NEEDED)),
    }


def module_facts(data: bytes, stack: int = 2048) -> dict[str, Any]:
    """Sections, names and toolchain marks of a .wasm file, and the RAM that the compiler plans. Raises WasmError."""
    module: Module = decode(data)
    validate(module)
    plan = Plan(module, _ANY_TARGET)
    aux, memory = plan.aux_stack, module.memory_types[0].limits if module.memory_types else None
    return {
        "kind": "module",
        "sections": [{"name": n, "offset": o, "bytes": s} for n, o, s in module.sections],
        "imports": [{"module": i.module, "name": i.name, "kind": i.kind, "type": ""} for i in module.imports],
        "exports": [{"name": e.name, "kind": e.kind, "type": ""} for e in module.exports],
        "functions": len(module.functions),
        "memory_pages": memory.minimum if memory else 0,
        "data_end": aux.data_end,
        "heap_base": aux.heap_base,
        "aux_stack_bottom": aux.bottom,
        "aux_stack_size": aux.top - aux.bottom,
        "linear_memory": plan.memory.size,
        "ram": ram(planned_layout(plan), stack),
    }


def facts(data: bytes, name: str, stack: int = 2048) -> dict[str, Any]:
    """Facts of either kind of file, told apart by its magic number. Raises InsituError."""
    if data[:4] != b"\0asm":
        return image_facts(data, stack)
    try:
        return module_facts(data, stack)
    except WasmError as error:
        raise InsituError(f"{name} {error}") from None


def text(found: dict[str, Any], indent: str = "") -> str:
    """The facts as lines for a person."""
    lines = []
    for key, value in found.items():
        label = f"{indent}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            lines += [f"{label}{' of the global heap' if key == 'ram' else ''}:", text(value, indent + "  ")]
        elif isinstance(value, list):
            lines.append(f"{label}:")
            lines += [f"{indent}  " + "  ".join(str(v) for v in row.values() if v != "") for row in value]
        else:
            lines.append(f"{label:20} {_MISSING.get(key, 'not exported') if value is None else value}")
    return "\n".join(lines)


def least_stack(found: dict[str, Any]) -> int:
    """Bytes of the smallest operand stack that the runtime takes for an image of these facts (port/runtime.py)."""
    return int(found["stack_guard"]) + 64


def check_aux_stack(found: dict[str, Any], wanted: int) -> None:
    """Raise InsituError if the image's aux stack, which only the linker can set, has fewer bytes than wanted."""
    size = found["aux_stack_size"]
    if size < wanted:
        raise InsituError(
            f"the module's aux stack has {size} bytes, {wanted} are wanted: link it with -Wl,-z,stack-size={wanted}"
            + ("" if size else " and export __heap_base and __data_end, so that it is found")
        )
