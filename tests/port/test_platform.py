"""What a chip says that it runs: port/platform/, whose Cortex-M part CPython cannot import (inline assembler)."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest
from insitu.places import CHECKOUT
from insitu.port.xip import layout

from tests.port.conftest import Device

_FUNCTIONS = ("archs", "features", "_is_armv6m")
_MVFR0, _CPUID = 0xE000EF40, 0xE000ED00  # Armv7-M Architecture Reference Manual, B4.9.2 and B3.2.3
_V6M, _V7M = layout.ARCH_ARMV6M, layout.ARCH_THUMB
_CHIPS = {  # MP_NATIVE_ARCH_* of the firmware, registers, images
    "RP2040": (4, {}, (_V6M,)),
    "Cortex-M3": (5, {_MVFR0: 0, _CPUID: 0x412FC230}, (_V6M, _V7M)),
    "Cortex-M4 with FPU": (7, {_MVFR0: 0x10110021, _CPUID: 0x410FC241}, (_V6M, _V7M, layout.ARCH_THUMB_HARD_FLOAT)),
}


@pytest.mark.parametrize("chip", _CHIPS)
def test_1_9_an_armv6m_is_not_offered_images_for_armv7m(chip: str) -> None:
    """By the firmware's architecture; registers that ARMv6-M lacks are not read there."""
    arch, registers, images = _CHIPS[chip]
    tree = ast.parse((CHECKOUT / "port" / "platform" / "cortex_m.py").read_text())
    tree.body = [n for n in tree.body if isinstance(n, ast.Assign) or getattr(n, "name", "") in _FUNCTIONS]
    names: dict[str, Any] = {name: getattr(layout, name) for name in dir(layout)}
    implementation = SimpleNamespace(name="micropython", _mpy=arch << 10 | 6)
    names |= {"sys": SimpleNamespace(implementation=implementation), "mem32": registers}
    exec(compile(tree, "cortex_m.py", "exec"), names)
    assert names["archs"]() == images


def test_1_9_an_armv6m_refuses_them() -> None:
    device = Device("cortex-m0plus")
    data = device.image('(module (func (export "go")))', "cortex-m3")
    with pytest.raises(device.port.LoadError, match="for ARMv7-M .*, this device runs images for ARMv6-M"):
        device.load_image(data)
