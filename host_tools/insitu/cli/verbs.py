"""The table of verbs."""

from __future__ import annotations

import click

from insitu.cli import on_device, on_host, on_modules

COMMANDS: tuple[click.Command, ...] = (
    on_host.build_command,
    on_host.inspect_command,
    on_device.flash_command,
    on_device.deploy_command,
    on_device.run_command,
    on_device.mem_command,
    on_host.tune_command,
    on_host.bind_command,
    on_device.selftest_command,
    on_modules.mpy_command,
    on_modules.exec_command,
    on_host.boards_command,
    on_host.firmware_command,
)
