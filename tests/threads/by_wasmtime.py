"""Programs with threads under wasmtime: real threads, one store and one instance each, on one shared memory."""

from __future__ import annotations

import itertools
import tempfile
import threading
from pathlib import Path
from typing import Any

import wasmtime
from wasmtime import _ffi


class _SharedMemory(wasmtime.SharedMemory):
    """wasmtime 50.0.1's hands a pointer to the pointer that is wanted to what takes it as an import."""

    def _as_extern(self) -> Any:
        union = _ffi.wasmtime_extern_union(sharedmemory=self.ptr())
        return _ffi.wasmtime_extern_t(_ffi.WASMTIME_EXTERN_SHAREDMEMORY, union)


def run(wasm: bytes, arguments: list[str]) -> tuple[int, bytes]:
    """A WASI program's exit code, and what it prints."""
    config = wasmtime.Config()
    config.wasm_threads = config.shared_memory = True
    engine = wasmtime.Engine(config)
    module = wasmtime.Module(engine, wasm)
    (wanted,) = (i.type for i in module.imports if isinstance(i.type, wasmtime.MemoryType))
    memory = _SharedMemory(engine, wanted)
    numbers = itertools.count(1)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")

        def instantiate() -> tuple[wasmtime.Store, wasmtime.Instance]:
            store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
            linker.define_wasi()
            wasi = wasmtime.WasiConfig()
            wasi.argv = ["app", *arguments]
            wasi.stdout_file = str(output)
            store.set_wasi(wasi)
            linker.define(store, "env", "memory", memory)
            i32 = wasmtime.ValType.i32()
            linker.define(store, "wasi", "thread-spawn", wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), spawn))
            return store, linker.instantiate(store, module)

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
        return code, output.read_bytes()
