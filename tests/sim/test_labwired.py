"""Compiled code on an ESP32-C3 that is not ours: labwired's core and memory map run what the simulator has prepared."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import insitu.sim
import pytest
import wasmtime
from insitu.aot import compile_wasm
from labwired import Sim

_FLASH, _RAM, _SIZE = 0x42100000, 0x3FC90000, 0x20000  # where labwired's ESP32-C3 has flash and RAM
# Integers, doubles, and bytes: of linear memory, and of the table that LLVM has for ctz, beside the code.
_MODULE = """(module (memory (export "memory") 1) (data (i32.const 0) "\\01\\02\\03\\04\\05\\06\\07\\08")
  (func (export "mix") (param i32 i32) (result i32) (local $i i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31))
                               (i32.load8_u (i32.and (local.get $i) (i32.const 7)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (i32.xor (i32.ctz (local.get $sum))
             (i32.add (local.get $sum)
                      (i32.trunc_f64_s (f64.mul (f64.convert_i32_s (local.get 1)) (f64.const 1.5)))))))"""
# Calls as Python's side does, sends what came back and four bytes of the args area to the UART's FIFO, stops.
_START = """
.section .text.start,"ax"
.globl _start
_start:
  li sp, {stack:#x}
  li a0, {0:#x}
  li a1, {1:#x}
  li a2, {2:#x}
  li a3, {3:#x}
  li t0, {enter:#x}
  jalr t0
  li t0, 0x60000000
  addi a0, a0, 48
  sw a0, 0(t0)
  li t1, {area:#x}
  li t2, 8
digit:
  lw a0, 0(t1)
  slli a1, t2, 2
  addi a1, a1, -4
  srl a0, a0, a1
  andi a0, a0, 15
  addi a0, a0, 65
  sw a0, 0(t0)
  addi t2, t2, -1
  bnez t2, digit
stop: j stop
.section .image,"a"
.incbin "image.bin"
.section .ram,"aw"
.incbin "ram.bin"
"""
_SCRIPT = f"""ENTRY(_start)
SECTIONS {{
  . = 0x42000000; .text : {{ *(.text.start) }}
  . = {_FLASH:#x}; .image : {{ *(.image) }}
  . = {_RAM:#x}; .ram : {{ *(.ram) }}
}}
"""


def test_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wasm = bytes(wasmtime.wat2wasm(_MODULE))
    data = compile_wasm(wasm, "rv32imc")
    cpu = insitu.sim.install(insitu.sim.Cpu("rv32imc"))
    cpu.map_flash(_FLASH, data)
    ram = cpu.map_ram(_RAM, _SIZE)
    from insitu import port

    instance = port.Runtime(heap=(_RAM, _SIZE - 0x1000)).load(_FLASH).instantiate(stack_size=2048)
    entered: list[Any] = []

    def stop(enter: int, *arguments: int) -> int:
        entered.extend((enter, arguments, bytes(ram.raw)))
        return 0

    monkeypatch.setattr(cpu, "call", stop)
    instance.exports.mix(1000, 12345)
    enter, arguments, before = entered
    area = before.index(struct.pack("<ixxxxi", 1000, 12345)) + _RAM  # the args area
    (tmp_path / "image.bin").write_bytes(data)
    (tmp_path / "ram.bin").write_bytes(before)
    (tmp_path / "script.ld").write_text(_SCRIPT)
    (tmp_path / "start.S").write_text(_START.format(*arguments, enter=enter, area=area, stack=_RAM + _SIZE))
    command = (
        "-m ziglang cc -target riscv32-freestanding-none -mcpu=generic_rv32+m+c -nostdlib -Wl,-T,script.ld start.S"
    )
    subprocess.run([sys.executable, *command.split(), "-o", "test.elf"], cwd=tmp_path, check=True)
    with Sim(tmp_path / "test.elf", chip="esp32c3") as machine:
        machine.run_for("2ms")
        said = machine.read_uart()
    store = wasmtime.Store()
    mix: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)["mix"]
    digits = f"{mix(store, 1000, 12345) & 0xFFFFFFFF:08x}"
    assert said == "0" + "".join(chr(65 + int(digit, 16)) for digit in digits)
