"""Ask a device for a snapshot, and show it."""

from __future__ import annotations

import json
import time

from rich.console import Console
from rich.table import Table

from insitu.errors import InsituError
from insitu.serial_link import Link
from insitu.telemetry.decode import Snapshot, decode
from insitu.telemetry.frames import Scanner

_SEND = "import insitu.telemetry\ninsitu.telemetry.send()\n"


def snapshot(link: Link) -> Snapshot:
    """A snapshot of the device behind link, which must have the package insitu and a runtime."""
    bodies, _ = Scanner().feed(link.run(_SEND))
    if not bodies:
        raise InsituError("the device sent no telemetry frame that is whole")
    return decode(bodies[-1])


def _rows(found: Snapshot) -> list[tuple[str, int | None, int | None, int | None, str]]:
    """Pool, size, used, peak, note; in bytes."""
    rows: list[tuple[str, int | None, int | None, int | None, str]] = []
    heap = found["global_heap"]
    if heap:
        note = f"{heap['overhead']} overhead, largest free {heap['largest_free']}"
        rows.append(("global heap", heap["size"], heap["used"], heap["peak"], note))
    for module in found["modules"]:
        rows.append(
            (
                "  image in flash",
                module["image_bytes"],
                None,
                None,
                f"{module['code_bytes']} code, at {module['address']:#010x}",
            )
        )
    for instance in found["instances"]:
        rows.append((f"  instance {instance['id']}", instance["block"], None, None, "globals, slots, tables"))
        rows.append(("    linear memory", instance["memory"], None, None, ""))
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
    for env in found["exec_envs"]:
        rows.append(("  operand stack", env["stack_size"], None, env["stack_peak"], f"of instance {env['instance']}"))
    python = found["micropython_heap"]
    if python and python["size"]:
        rows.append(("MicroPython heap", python["size"], python["used"], None, "with the global heap's buffer"))
    return rows


def table(found: Snapshot) -> Table:
    """The snapshot as a table for a person."""
    shown = Table("pool", "size", "used", "peak", "", title="memory, bytes", title_justify="left")
    for column in shown.columns[1:4]:
        column.justify = "right"
    for name, size, used, peak, note in _rows(found):
        shown.add_row(name, *("" if value is None else str(value) for value in (size, used, peak)), note)
    return shown


def _show(found: Snapshot, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found), flush=True)
    else:
        Console().print(table(found))


def from_link(link: Link, *, watch: bool, as_json: bool) -> None:
    """Show one snapshot, or one a second until interrupted."""
    while True:
        _show(snapshot(link), as_json)
        if not watch:
            return
        time.sleep(1)


def from_port(port: str, *, watch: bool, as_json: bool) -> None:
    """The same of the MicroPython board at a serial port."""
    with Link(port) as link:
        from_link(link, watch=watch, as_json=as_json)
