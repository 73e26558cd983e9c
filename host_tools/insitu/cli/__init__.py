"""The command `insitu`: thin wrappers over importable functions, one a verb."""

from __future__ import annotations

import sys

import click

from insitu.cli.verbs import COMMANDS
from insitu.errors import InsituError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="insitu")
def cli() -> None:
    """WebAssembly on microcontrollers under MicroPython, executed in place from flash."""


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Exit status 0; 1 with one line on stderr for a fault of the user's or the device's; 2 for bad usage."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except InsituError as error:
        print(f"insitu: {error}", file=sys.stderr)
        sys.exit(1)
