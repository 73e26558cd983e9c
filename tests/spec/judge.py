"""Whether what came of a command is what the script expects."""

from __future__ import annotations

import re
from typing import Any

# The standard's message to a pattern of insitu's, where insitu says it with WAMR's words or more exactly.
EQUIVALENT = {
    "call stack exhausted": r"wasm operand stack overflow$",
    "unknown import": r"import .* is missing$",
    "incompatible import type": r"import .* must (be|have) .*",
}

_QUIET = {"f32": 0x00400000, "f64": 0x0008000000000000}
_EXPONENT = {"f32": 0x7F800000, "f64": 0x7FF0000000000000}
_SIGN = {"f32": 1 << 31, "f64": 1 << 63}


def same_message(expected: str, actual: str) -> bool:
    """The standard's rule: the expected text is the beginning of the actual one; ours may also leave off its end."""
    if actual and (actual.startswith(expected) or expected.startswith(actual)):
        return True
    return expected in EQUIVALENT and re.match(EQUIVALENT[expected], actual) is not None


def argument(value: dict[str, Any]) -> Any:
    """A constant of a script as device.py takes it."""
    kind, text = value["type"], value.get("value")
    if kind in ("i32", "i64", "f32", "f64"):
        return int(str(text))
    if kind == "externref":
        return None if text == "null" else ("extern", int(str(text)))
    if kind == "funcref" and text == "null":
        return None
    raise ValueError(f"a constant of type {kind}")


def same_value(expected: dict[str, Any], actual: Any) -> bool:
    kind, text = expected["type"], expected.get("value")
    if text is None or (kind == "funcref" and text != "null"):  # any reference but null; wabt numbers functions
        return actual is not None
    if kind in ("funcref", "externref"):
        return bool(actual == argument(expected))
    if text == "nan:canonical":
        return actual & ~_SIGN[kind] == _EXPONENT[kind] | _QUIET[kind]
    if text == "nan:arithmetic":
        return actual & (_EXPONENT[kind] | _QUIET[kind]) == _EXPONENT[kind] | _QUIET[kind]
    return actual == argument(expected)


def _show(value: Any) -> str:
    return hex(value) if isinstance(value, int) else str(value)


def _values(command: dict[str, Any], kind: str, got: Any) -> str | None:
    expected = command["expected"]
    good = kind == "values" and len(expected) == len(got) and all(map(same_value, expected, got))
    if good:
        return None
    texts = [e.get("value", "not null") for e in expected]
    wanted = ", ".join(_show(int(t)) if t.isdigit() else t for t in texts)
    return (
        f"expected {wanted or 'no value'}, got {', '.join(map(_show, got)) if kind == 'values' else f'{kind}: {got}'}"
    )


def _any_values(_: dict[str, Any], kind: str, got: Any) -> str | None:
    return None if kind == "values" else f"{kind}: {got}"


def _failure(*kinds: str) -> Any:
    def judge(command: dict[str, Any], kind: str, got: Any) -> str | None:
        if kind in kinds and same_message(command["text"], got):
            return None
        what = "no failure" if kind == "values" else f"{kind}: {got}"
        return f"expected {kinds[0]}: {command['text']}, got {what}"

    return judge


JUDGES = {
    "module": _any_values,
    "register": _any_values,
    "action": _any_values,
    "assert_return": _values,
    "assert_trap": _failure("trap"),
    "assert_exhaustion": _failure("trap"),
    "assert_malformed": _failure("malformed"),
    "assert_invalid": _failure("invalid", "malformed"),
    "assert_unlinkable": _failure("link"),
    "assert_uninstantiable": _failure("trap"),
}


def verdict(command: dict[str, Any], outcome: tuple[str, Any]) -> str | None:
    """What is wrong with what came of a command, None: nothing."""
    return JUDGES[command["type"]](command, *outcome)
