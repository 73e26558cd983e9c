"""Offsets from the instance pointer that Cortex-M0+ makes in a register."""

from __future__ import annotations

import pytest
from insitu.aot.contract import ContractError

from tests.aot.machine_code import walk

# Encodings: ARMv6-M Architecture Reference Manual, A6.7.
INVERT, LOAD, RETURN = 0x43C9, 0x5842, 0x4770  # mvns r1, r1; ldr r2, [r0, r1]; bx lr
READABLE, BELOW = 0x2103, 0x21FF  # movs r1, #3: of which -4 becomes; movs r1, #255: -256


def test_an_inverted_constant_is_one() -> None:
    walk((READABLE, INVERT, LOAD, RETURN), instance=True)
    with pytest.raises(ContractError, match="read at -256 from the instance pointer"):
        walk((BELOW, INVERT, LOAD, RETURN), instance=True)
