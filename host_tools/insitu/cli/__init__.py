"""The command `insitu`: thin wrappers over importable functions, one a verb."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from types import FrameType

import click

from insitu import steps
from insitu.cli import loudness
from insitu.cli.verbs import Verbs
from insitu.errors import InsituError

_STATUSES = """
\b
Exit status:
    0  done
    1  the program, or what it was built of: a trap, a wrong argument, a file that does not compile
    2  usage
    3  the device, or the line to it
  124  nothing printed for too long
  130  interrupted
and a WASI program's own.
"""


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_STATUSES)
@click.version_option(package_name="insitu")
def cli() -> None:
    """WebAssembly on microcontrollers under MicroPython, executed in place from flash."""


cli.params += loudness.options()


_SIGNALS = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))  # Windows has but the first


def main() -> None:
    """Exit status 0, or that of the error with one line on stderr; 2 for bad usage.

    A signal that ends it unwinds first: no emulator and no temporary folder is left.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _end)
    for stream in (sys.stdout, sys.stderr):  # names of files may be any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    loud = loudness.Loudness()
    try:
        with steps.listening(loud.heard):
            cli(standalone_mode=False, obj=loud)
        sys.stdout.flush()
    except click.ClickException as error:
        if not _as_json(error.format_message(), error.exit_code):
            error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except InsituError as error:
        if not _as_json(str(error), error.status):
            print(f"insitu: {error}", file=sys.stderr)
        sys.exit(error.status)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of the output goes nowhere
        if error.errno == errno.ENOSPC:
            print(f"insitu: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _as_json(text: str, status: int) -> bool:
    """Say an error as JSON where that is wanted: what was wrong may be the command line, so click does not know."""
    words = sys.argv[1:]
    wanted = "--json" in words[: words.index("--") if "--" in words else len(words)]
    if wanted:
        print(json.dumps({"error": text, "status": status}), flush=True)
    return wanted


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)  # as a shell has it
