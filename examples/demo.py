"""The main job, end to end, on every QEMU board: `make demo`.

C to WebAssembly, to an image, into flash, executed in place under MicroPython, its output compared with
wasmtime's to the byte, its memory read back over the serial line. Then a program with a C library and a heap, by a
window on its memory, on the emulated Pico; at the end a report of where the bytes are.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import wasmtime
from insitu import places
from insitu.aot import compile_wasm
from insitu.aot.options import Options
from insitu.board import boards
from insitu.board.record import Board
from insitu.commands import report
from insitu.commands.report import Work
from insitu.commands.tune import Call
from insitu.errors import InsituError
from insitu.flash.write import flash
from insitu.session.session import Session
from insitu.telemetry import ask, draw
from insitu.toolchain import compile_c
from rich.console import Console

SOURCE = places.CHECKOUT / "examples" / "fir" / "app.c"
REPORTED = ("rpi_pico", "qemu_stm32f405")
STRINGS = places.CHECKOUT / "examples" / "strings" / "app.c"
PLAIN = (sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-Os")
WINDOWED, WINDOW_HEAP, WINDOW_STACK = "rpi_pico", 16 * 1024, 4096
SAMPLE_RATE, CUTOFF, BLOCKS = 8000, 1000, 4

# A sawtooth of 250 Hz and noise: the same integers on the device and on the host.
DEVICE_IMPORTS = """
import sys
class _Adc:
    n = 0
    seed = 1
def adc_read(channel):
    n = _Adc.n = _Adc.n + 1
    s = _Adc.seed = (_Adc.seed * 75 + 74) % 65537
    return n * 64 % 2048 + 1024 + (s & 255)
def uart_write(at, length):
    sys.stdout.write(bytes(inst.memory[at:at + length]))
"""


def _samples() -> list[int]:
    seed, samples = 1, []
    for n in range(1, 1 + 64 * BLOCKS):
        seed = (seed * 75 + 74) % 65537
        samples.append(n * 64 % 2048 + 1024 + (seed & 255))
    return samples


def expected(wasm: bytes) -> bytes:
    """What the program writes under wasmtime."""
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, wasm)
    samples, out = iter(_samples()), bytearray()

    def read(_: int) -> int:
        return next(samples)

    def write(at: int, length: int) -> None:
        memory = instance.exports(store)["memory"]
        assert isinstance(memory, wasmtime.Memory)
        out.extend(memory.read(store, at, at + length))

    i32 = wasmtime.ValType.i32()
    functions = {
        ("adc", "read"): wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), read),
        ("uart", "write"): wasmtime.Func(store, wasmtime.FuncType([i32, i32], []), write),
    }
    instance = wasmtime.Instance(store, module, [functions[i.module, i.name or ""] for i in module.imports])
    exports = instance.exports(store)
    exports["init"](store, SAMPLE_RATE, CUTOFF)
    exports["process"](store, BLOCKS)
    return bytes(out)


def run_board(board: Board, wasm: bytes, wanted: bytes) -> tuple[Board, str, bytes]:
    image = compile_wasm(wasm, board.target)
    done = flash(image, board)
    imports = {"adc.read": "adc_read", "uart.write": "uart_write"}
    with Session(board, image, imports=imports, prelude=DEVICE_IMPORTS, heap=16384) as session:
        session.invoke("init", [SAMPLE_RATE, CUTOFF])
        printed, results = session.invoke("process", [BLOCKS])
        memory = ask.snapshot(session.link)
    if printed != wanted:
        raise InsituError(f"{board.name} wrote {printed!r}, wasmtime {wanted!r}")
    picture = places.CHECKOUT / "build" / "demo" / f"memory-{board.name}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw.svg(memory, board.description))
    console = Console(width=100, force_terminal=sys.stdout.isatty())
    with console.capture() as capture:
        console.print(f"\n[bold]{board.description}[/bold]: {done.size} bytes at {done.address:#010x}, verified")
        console.print(f"process({BLOCKS}) = {results[0]}, the same {len(printed)} bytes as under wasmtime:")
        console.print(printed.decode(), highlight=False, markup=False, end="")
        console.print(ask.table(memory))
    return board, capture.get(), printed


def program_output(wasm: bytes, output: Path) -> str:
    """What a WASI program prints under wasmtime, by way of a file."""
    engine = wasmtime.Engine()
    linker, store, config = wasmtime.Linker(engine), wasmtime.Store(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    config.argv = ["app"]
    config.stdout_file = str(output)
    store.set_wasi(config)
    exports = linker.instantiate(store, wasmtime.Module(engine, wasm)).exports(store)
    try:
        exports["_start"](store)  # type: ignore[operator]
    except wasmtime.ExitTrap as end:
        if end.code:
            raise
    return output.read_text()


def run_window(board: Board, folder: Path) -> str:
    """A program with printf and malloc, linked without an option, in a heap that its stack alone would not fit."""
    made = folder / "strings.wasm"
    subprocess.run([*PLAIN, str(STRINGS), "-o", str(made)], check=True)
    wasm = made.read_bytes()
    wanted = program_output(wasm, folder / "strings.txt")
    image = compile_wasm(wasm, board.target, Options(window=0))
    with Session(board, image, imports={}, stack=WINDOW_STACK, heap=WINDOW_HEAP) as session:
        printed = session.invoke("_start", [])[0].decode().replace("\r", "")
        memory = ask.snapshot(session.link)
    if printed != wanted:
        raise InsituError(f"{board.name} printed {printed!r}, wasmtime {wanted!r}")
    (folder / "memory-window.svg").write_text(draw.svg(memory, f"{board.description}, a window of 0 bytes"))
    console = Console(width=100, force_terminal=sys.stdout.isatty())
    with console.capture() as capture:
        console.print(f"\n[bold]{board.description}[/bold]: printf and malloc in a global heap of {WINDOW_HEAP} bytes")
        console.print(f"{len(printed.splitlines())} lines as under wasmtime, and of linear memory what was written:")
        console.print(ask.table(memory))
    return capture.get()


def write_report(path: Path) -> None:
    """Of the Pico and the board with floats, side by side, with the same calls on their simulated CPUs."""
    calls = (Call("init", (str(SAMPLE_RATE), str(CUTOFF))), Call("process", (str(BLOCKS),)))
    bindings = {"adc.read": "2000", "uart.write": "0"}
    work = Work(calls=calls, bindings=bindings, flags=("-g", "-ffp-contract=off"), advised=False)
    report.write_report(path, report.make(SOURCE, [boards.load_board(name) for name in REPORTED], work))


def main() -> int:
    start = time.monotonic()
    folder = places.CHECKOUT / "build" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        wasm = compile_c(SOURCE, folder / "fir.wasm").read_bytes()
        print(f"{Path(*SOURCE.parts[-3:])}: {len(wasm)} bytes of WebAssembly")
        wanted = expected(wasm)
        all_boards = [boards.load_board(name) for name in boards.emulated()]
        with ThreadPoolExecutor(2) as pool:
            for _, text, _ in pool.map(lambda board: run_board(board, wasm, wanted), all_boards):
                print(text, end="")
            report_written = pool.submit(write_report, folder / "report.html")
            print(run_window(boards.load_board(WINDOWED), folder), end="")
            report_written.result()
    except InsituError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    where = (folder / "report.html").relative_to(places.CHECKOUT)
    print(f"\n{len(all_boards)} boards, {time.monotonic() - start:.0f} s; {where} has where every byte is")
    return 0


if __name__ == "__main__":
    sys.exit(main())
