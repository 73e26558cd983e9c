"""Texts of errors, in a file of their own."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from insitu.package.texts import take_out

_SOURCE = """
KEPT = "a text that is no error's"
def forget(module):
    forgotten.append(module)
def wrong(what):
    raise ValueError("%s is wrong, of course" % what)
def check(n):
    if n > 3:
        raise ValueError("%d is too much: %s" % (n, "give at most 3"))
    if n < 0:
        wrong("a negative number")
    return "a result with spaces"
def short():
    raise KeyError("short")
"""


def test_are_the_same_and_forgotten_again(monkeypatch: pytest.MonkeyPatch) -> None:
    source, texts = take_out(_SOURCE, "forget")
    assert "too much" not in source and "too much" in texts
    assert all(text in source for text in ("a text that is no error's", "a result with spaces", "short"))
    made = ModuleType("package.texts")
    exec(texts, vars(made))
    monkeypatch.setitem(sys.modules, "package", ModuleType("package"))
    monkeypatch.setitem(sys.modules, "package.texts", made)
    names = SimpleNamespace(__name__="package.main", __package__="package", forgotten=[])
    exec(source, vars(names))
    for n, text in ((4, "4 is too much: give at most 3"), (-1, "a negative number is wrong, of course")):
        with pytest.raises(ValueError, match=f"^{text}$"):
            names.check(n)
    assert set(names.forgotten) == {made}
    assert names.check(1) == "a result with spaces"


def test_a_source_without_any_stays() -> None:
    assert take_out("x = 'some words'\n", "forget") == ("x = 'some words'\n", "")
