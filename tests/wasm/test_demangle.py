"""Names without their mangling: of the Itanium C++ ABI, of Rust's RFC 2603, and of rustc's older scheme."""

from __future__ import annotations

import sys

import pytest
from insitu.wasm import demangle
from insitu.wasm.demangle import readable


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("_ZN1N1TIiiE2mfES0_IddE", "N::T<int, int>::mf(N::T<double, double>)"),  # 5.1.10 of the ABI, "Compression"
        ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),  # RFC 2603
        ("_ZN4core9panicking5panic17h0123456789abcdefE", "core::panicking::panic"),
        ("_Znothing", "_Znothing"),
        ("smooth", "smooth"),
    ],
)
def test_a_name(name: str, says: str) -> None:
    assert readable(name) == says


def test_without_the_package_a_name_is_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydemumble", None)
    monkeypatch.setattr(demangle, "_demangle", demangle._demangle.__wrapped__)
    assert readable("_ZN1aE") == "_ZN1aE"
