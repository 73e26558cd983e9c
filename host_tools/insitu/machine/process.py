"""A process that ends when this one does, even when this one is killed."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

# A shell (POSIX) starts the command and kills it at the end of standard input, of which this process has the other
# end. Not prctl's PR_SET_PDEATHSIG: that is Linux's, and comes when the thread ends that started the command.
# The shell lets go of the output, so that it ends with the command's; what interrupts a terminal's programs is left
# to this process.
_WATCHED = 'trap "" INT HUP; "$@" & child=$!; exec > /dev/null 2>&1; cat; kill -9 $child; wait'


def start_process(command: list[str], on_exit: ExitStack, *, errors: int | None = None) -> subprocess.Popen[str]:
    """Start a command with an output to read and no input; on_exit ends it and waits until it is gone.

    errors: of its standard error, as subprocess has it.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", _WATCHED, "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    on_exit.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    assert process.stdout is not None
    process.stdout.read()  # to its end, which is the command's
    process.stdout.close()
