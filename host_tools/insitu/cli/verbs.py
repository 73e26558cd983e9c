"""The table of verbs."""

from __future__ import annotations

from collections.abc import Mapping

import click

from insitu.cli import footprint, on_code, on_device, on_host, on_images, on_modules

# Each with an example, which docs/reference/cli.md has, too, and where it is run.
_EXAMPLES: Mapping[click.Command, str] = {
    on_host.build_command: "insitu build app.c -b rpi_pico",
    on_host.inspect_command: "insitu inspect app.xip",
    on_device.flash_command: "insitu flash app.wasm -b qemu_stm32f405",
    on_images.images_command: "insitu images -b qemu_stm32f405",
    on_images.keygen_command: "insitu keygen release.pem",
    on_images.sign_command: "insitu sign app.xip --key release.pem --name app --version 7 -o signed.xip",
    on_device.partition_command: "insitu partition -b esp32c3 --port /dev/ttyACM0 --erase-files",
    on_device.deploy_command: "insitu deploy --port /dev/ttyACM0",
    on_device.run_command: "insitu run app.xip -b rpi_pico --sim --invoke smooth 100",
    on_code.explain_command: "insitu explain app.map 0x104",
    on_code.disasm_command: "insitu disasm app.xip --function smooth",
    on_device.mem_command: "insitu mem -b qemu_stm32f405",
    on_host.tune_command: 'insitu tune app.wasm -b rpi_pico --invoke "smooth 100"',
    footprint.report_command: "insitu report app.wasm -b rpi_pico -o report.html",
    footprint.budget_command: "insitu budget budget.toml",
    on_host.bind_command: "insitu bind app.wasm -b rpi_pico -o app.py",
    on_device.selftest_command: "insitu selftest -b rpi_pico --sim --to report.json",
    on_modules.mpy_command: "insitu mpy crc.py -b qemu_stm32f405 -o crc.romfs",
    on_modules.exec_command: "insitu exec 'import sys; print(sys.version)' -b qemu_stm32f405",
    on_host.boards_command: "insitu boards",
    on_host.firmware_command: "insitu firmware -b qemu_stm32f405",
}
for _command, _example in _EXAMPLES.items():
    _command.epilog = f"Example: {_example}"
COMMANDS: tuple[click.Command, ...] = (*_EXAMPLES,)
