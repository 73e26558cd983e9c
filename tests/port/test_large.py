"""Functions with so many branches that LLVM's control flow simplification would abort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Device

COUNT = 1500
# One step of a body and what COUNT of them make of (1, 0): the step is taken if the parameter is not 0.
STEPS = {
    "the same condition again and again": (
        "(if (local.get 0) (then (local.set 1 (i32.add (local.get 1) (i32.load (i32.const 8))))))",
        3 * COUNT,
        0,
    ),
    "branches on constants": (
        "(local.set 1 (i32.add (local.get 1) (i32.load (i32.const 8))))",
        3 * COUNT,
        3 * COUNT,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_many_branches(device: Device, name: str) -> None:
    step, taken, not_taken = STEPS[name]
    text = f"""(module (memory 1) (data (i32.const 8) "\\03")
        (func (export "f") (param i32) (result i32) (local i32) {step * COUNT} (local.get 1)))"""
    instance = device.instantiate(text)
    assert instance.exports.f(1) == taken
    assert instance.exports.f(0) == not_taken
