"""Programs with threads under wasmtime: real threads, one store and one instance each, on one shared memory."""

from __future__ import annotations

import itertools
import struct
import threading
from typing import Any

import wasmtime
from wasmtime import _ffi

_I32 = wasmtime.ValType.i32()
_WASI = "wasi_snapshot_preview1"


class _SharedMemory(wasmtime.SharedMemory):
    """wasmtime 50.0.1's hands a pointer to the pointer that is wanted to what takes it as an import."""

    def _as_extern(self) -> Any:
        union = _ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        return _ffi.wasmtime_extern_t(_ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def run(wasm: bytes, arguments: list[str]) -> tuple[int, bytes]:
    """A WASI program's exit code, and what it prints."""
    config = wasmtime.Config()
    config.wasm_threads = config.shared_memory = config.wasm_custom_page_sizes = True
    engine = wasmtime.Engine(config)
    module = wasmtime.Module(engine, wasm)
    (wanted,) = (i.type for i in module.imports if isinstance(i.type, wasmtime.MemoryType))
    memory = _SharedMemory(engine, wanted)
    numbers = itertools.count(1)
    written: list[bytes] = []  # by all threads: an output of wasmtime's is one store's

    def instantiate() -> tuple[wasmtime.Store, wasmtime.Instance]:
        store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
        linker.define_wasi()
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["app", *arguments]
        store.set_wasi(wasi)
        linker.define(store, "env", "memory", memory)
        linker.allow_shadowing = True
        for space, name, count, function in (("wasi", "thread-spawn", 1, spawn), (_WASI, "fd_write", 4, write)):
            linker.define(store, space, name, wasmtime.Func(store, wasmtime.FuncType([_I32] * count, [_I32]), function))
        return store, linker.instantiate(store, module)

    def write(_: int, vectors: int, count: int, result: int) -> int:
        data = memory.data_ptr()
        words = struct.unpack(f"<{2 * count}I", bytes(data[vectors : vectors + 8 * count]))
        parts = [bytes(data[at : at + size]) for at, size in zip(words[::2], words[1::2], strict=True)]
        written.extend(parts)
        for i, byte in enumerate(sum(map(len, parts)).to_bytes(4, "little")):
            data[result + i] = byte
        return 0

    def spawn(argument: int) -> int:
        number = next(numbers)

        def work() -> None:
            store, instance = instantiate()
            instance.exports(store)["wasi_thread_start"](store, number, argument)

        threading.Thread(target=work, daemon=True).start()
        return number

    store, instance = instantiate()
    try:
        instance.exports(store)["_start"](store)
        code = 0
    except wasmtime.ExitTrap as end:
        code = end.code
    return code, b"".join(written)
