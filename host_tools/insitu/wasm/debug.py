"""DWARF, which a compiler puts into custom sections of their own: names of parameters.

lines.py has its line table.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DwarfConfig, DWARFInfo

from insitu.wasm.module import Module

# Parameters of DWARFInfo, and the sections that names, lines and inlined functions need.
_SECTIONS = {
    "debug_info_sec": ".debug_info",
    "debug_abbrev_sec": ".debug_abbrev",
    "debug_str_sec": ".debug_str",
    "debug_line_sec": ".debug_line",
    "debug_line_str_sec": ".debug_line_str",
    "debug_ranges_sec": ".debug_ranges",
    "debug_rnglists_sec": ".debug_rnglists",
    "debug_str_offsets_sec": ".debug_str_offsets",
    "debug_addr_sec": ".debug_addr",
}
_OTHERS = (
    "debug_aranges_sec", "debug_frame_sec", "eh_frame_sec", "debug_loc_sec", "debug_pubtypes_sec",
    "debug_pubnames_sec", "debug_loclists_sec", "debug_sup_sec", "gnu_debugaltlink_sec", "debug_types_sec",
)  # fmt: skip

# What reading DWARF raises that is damaged, or newer than its reader.
UNREADABLE = (DWARFError, ELFError, KeyError, IndexError, ValueError, AssertionError, NotImplementedError)


def dwarf(module: Module) -> DWARFInfo | None:
    """What the compiler said of the module; None where it said nothing. Addresses count from code_offset."""
    data = {name: content for name, content, _ in module.customs}
    if ".debug_info" not in data:
        return None
    sections = {
        parameter: DebugSectionDescriptor(io.BytesIO(data[name]), name, 0, len(data[name]), 0)
        for parameter, name in _SECTIONS.items()
        if name in data
    }
    config = DwarfConfig(little_endian=True, machine_arch="wasm32", default_address_size=4)
    return DWARFInfo(config=config, **dict.fromkeys([*_OTHERS, *_SECTIONS]) | sections)


def parameter_names(module: Module) -> dict[str, list[str]]:
    """By a function's name, as the linker knows it, its parameters' names in the source; empty without DWARF.

    What cannot be read is left out: these are names, and no more.
    """
    found: dict[str, list[str]] = {}
    try:
        for function in _functions(module):
            name = _text(function, "DW_AT_linkage_name") or _text(function, "DW_AT_name")
            parameters = [die for die in function.iter_children() if die.tag == "DW_TAG_formal_parameter"]
            if name and "DW_AT_low_pc" in function.attributes:
                found[name] = [_text(die, "DW_AT_name") for die in parameters]
    except UNREADABLE:
        pass
    return found


def _functions(module: Module) -> Iterator[DIE]:
    info = dwarf(module)
    for unit in info.iter_CUs() if info else ():
        for die in unit.get_top_DIE().iter_children():
            if die.tag == "DW_TAG_subprogram":
                yield die


def _text(die: DIE, attribute: str) -> str:
    value = die.attributes.get(attribute)
    return value.value.decode("utf-8", "replace") if value is not None and isinstance(value.value, bytes) else ""
