"""Ask a device for a snapshot; its pools as rows, and as a table."""

from __future__ import annotations

import re

from rich.table import Table

from insitu.errors import LineError
from insitu.link.runner import DeviceError, Runner
from insitu.telemetry.decode import Snapshot, check_sums, decode
from insitu.telemetry.frames import Scanner

_SEND = "import insitu.telemetry\ninsitu.telemetry.send()\n"
_LARGEST_FREE = re.compile(rb"max free sz: (\d+)")  # py/gc.c, gc_dump_info
_BLOCK = 16  # bytes: four words


def snapshot(link: Runner, more: str = "") -> Snapshot:
    """A snapshot of the device behind link, which must have the package insitu and a runtime.

    more: code that prints what MicroPython says of its heap; then its largest free block is known, too.
    """
    try:
        bodies, other = Scanner().feed(link.run(more + _SEND))
    except DeviceError as error:
        if error.kind != "ImportError":
            raise
        raise LineError("the device has no package `insitu`: deploy it first") from None
    if not bodies:
        raise LineError("the device sent no telemetry frame that is whole")
    found = checked(bodies[-1])
    add_largest_free(found, other)
    return found


def add_largest_free(found: Snapshot, printed: bytes) -> None:
    """Add MicroPython's largest free block, where micropython.mem_info() is the last in what was printed."""
    if said := _LARGEST_FREE.findall(printed):
        found["micropython_heap"]["largest_free"] = _BLOCK * int(said[-1])


def checked(body: bytes) -> Snapshot:
    """A frame's body as a snapshot. Raises InsituError, see decode and check_sums."""
    found = decode(body)
    if found["global_heap"]:
        check_sums(found)
    return found


def pools(found: Snapshot) -> list[tuple[str, int | None, int | None, int | None, str]]:
    """Pool, size, used, peak, note; in bytes. A name begins with two spaces for each pool that it is inside of."""
    rows: list[tuple[str, int | None, int | None, int | None, str]] = []
    for module in found["modules"]:
        rows.append(
            (
                "image in flash",
                module["image_bytes"],
                None,
                None,
                f"{module['code_bytes']} code, at {module['address']:#010x}",
            )
        )
    heap = found["global_heap"]
    if heap:
        note = f"{heap['overhead']} overhead, largest free {heap['largest_free']}" if heap["size"] else "no pool"
        rows.append(("global heap", heap["size"], heap["used"], heap["peak"], note))
        rows.append(("  runtime", heap["runtime"], None, None, ""))
        if heap["host"]:
            rows.append(("  allocated by the host", heap["host"], None, None, "malloc"))
    for instance in found["instances"]:
        block = instance["block"] + instance["apart"]
        rows.append((f"  instance {instance['id']}", block, None, None, "globals, slots, tables, slack"))
        place = "" if instance["memory_in_heap"] else f"not in the global heap: at {instance['memory_address']:#010x}"
        rows.append(("  linear memory", instance["memory"], None, None, place))
        rows += [row for far in found["far_memories"] if far["instance"] == instance["id"] for row in _far(far)]
        if instance["aux_stack_size"]:
            rows.append(
                (
                    "    aux stack",
                    instance["aux_stack_size"],
                    None,
                    instance["aux_stack_peak"],
                    "in linear memory",
                )
            )
        if instance["app_heap_size"]:
            sizes = (instance["app_heap_size"], instance["app_heap_used"], instance["app_heap_peak"])
            rows.append(("    app heap", *sizes, "in linear memory"))
    for env in found["exec_envs"]:
        rest = f"of instance {env['instance']}, exec env {env['block'] - env['stack_size']} more"
        rows.append(("  operand stack", env["stack_size"], None, env["stack_peak"], rest))
    python = found["micropython_heap"]
    if python and python["size"]:
        largest = f", largest free {python['largest_free']}" if "largest_free" in python else ""
        note = f"with the global heap's buffer{largest}"
        rows.append(("MicroPython heap", python["size"], python["used"], None, note))
    return rows


def _far(far: dict[str, int]) -> list[tuple[str, int | None, int | None, int | None, str]]:
    """The rows of a memory with a window; both lie in its instance's bytes."""
    pages, used = (far["pages"] + far["ready"]) * far["page"], far["pages"] * far["page"]
    note = f"{far['pages']} pages of {far['page']}, {far['accesses']} far accesses"
    place = f"from {far['start']} on" if far["start"] else ""
    return [("    window", far["window"], None, None, place), ("    far pages", pages, used, None, note)]


def table(found: Snapshot) -> Table:
    """The snapshot as a table for a person."""
    shown = Table("pool", "size", "used", "peak", "", title="memory, bytes", title_justify="left")
    for column in shown.columns[1:4]:
        column.justify = "right"
    for name, size, used, peak, note in pools(found):
        shown.add_row(name, *("" if value is None else str(value) for value in (size, used, peak)), note)
    return shown
