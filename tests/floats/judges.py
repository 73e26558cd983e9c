"""Two more implementations that the first judge is judged by: wasmtime, and Berkeley SoftFloat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import softfloatpy as soft
import wasmtime

from tests.floats import arrays
from tests.floats.expressions import BITS, COMPARISONS, INSTRUCTIONS, Operation
from tests.floats.ieee import WORD, Array


class Wasmtime:
    """The operations' module in wasmtime: what arrays.Simulated does on a target."""

    def __init__(self, operations: list[Operation]) -> None:
        self._store = wasmtime.Store()
        code = wasmtime.Module(self._store.engine, arrays.module(operations))
        self._exports = wasmtime.Instance(self._store, code, []).exports(self._store)
        self._numbers = {operation.name: number for number, operation in enumerate(operations)}

    def run(self, operation: Operation, operands: dict[str, Array]) -> Array:
        """The results' bits; at most arrays.COUNT operands."""
        memory, function = self._exports["memory"], self._exports[str(self._numbers[operation.name])]
        assert isinstance(memory, wasmtime.Memory) and isinstance(function, wasmtime.Func)
        for slot, values in enumerate(operands.values()):
            memory.write(self._store, values.tobytes(), slot * arrays.SLOT)
        count, kind = len(operands["a"]), WORD[operation.result]
        function(self._store, count)
        start = 2 * arrays.SLOT
        return np.frombuffer(bytes(memory.read(self._store, start, start + count * kind.itemsize)), kind)


_TYPES = {"f32": soft.Float32, "f64": soft.Float64}
_SOFT_INTEGER = {"i32_s": soft.Int32, "i64_s": soft.Int64, "i32_u": soft.UInt32, "i64_u": soft.UInt64}
_ROUND = {
    "ceil": soft.RoundingMode.MAX,
    "floor": soft.RoundingMode.MIN,
    "trunc": soft.RoundingMode.MIN_MAG,
    "nearest": soft.RoundingMode.NEAR_EVEN,
}
_SAME = {"eq": "eq", "lt": "lt_quiet", "le": "le_quiet"} | {op: op for op in ("add", "sub", "mul", "div", "sqrt")}


def _softfloat(instruction: str) -> Callable[..., Any] | None:
    """SoftFloat's function, on its own types; None where it has none."""
    t, _, op = instruction.partition(".")
    if op in _ROUND:
        return lambda a: getattr(soft, f"{t}_round_to_int")(a, _ROUND[op])
    if op in _SAME:
        return getattr(soft, f"{t}_{_SAME[op]}")
    if op.startswith("demote") or op.startswith("promote"):
        return getattr(soft, f"{op[-3:]}_to_{t}")
    if op.startswith("convert"):
        return getattr(soft, f"{'ui' if op.endswith('u') else 'i'}{op[9:11]}_to_{t}")
    if op.startswith("trunc_f"):
        convert = getattr(soft, f"{op[6:9]}_to_{'ui' if op.endswith('u') else 'i'}{t[1:]}")
        return lambda a: convert(a, soft.RoundingMode.MIN_MAG)
    return None


def softfloat(instruction: str, operands: dict[str, Array]) -> Array | None:
    """Results' bits, one at a time; None for an instruction that SoftFloat does not have."""
    function = _softfloat(instruction)
    if function is None:
        return None
    params, result = INSTRUCTIONS[instruction]
    op = instruction.partition(".")[2]
    kinds = [_TYPES.get(t) or _SOFT_INTEGER[op.partition("_")[2]] for t in params]
    columns = [_objects(kind, values) for kind, values in zip(kinds, operands.values(), strict=True)]
    raw = [function(*row) for row in zip(*columns, strict=True)]
    if op in COMPARISONS:
        return np.array(raw, WORD["i32"])
    data = b"".join(x.to_bytes() for x in raw)
    return np.frombuffer(data, f">u{BITS[result] // 8}").astype(WORD[result])


def _objects(kind: Any, values: Array) -> list[Any]:
    size = values.itemsize
    data = values.astype(f">u{size}").tobytes()
    return [kind.from_bytes(data[at : at + size]) for at in range(0, len(data), size)]
