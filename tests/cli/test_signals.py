"""A command that is ended while an emulated board runs leaves neither a process nor a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

_FOREVER = '(module (func (export "spin") (loop (br 0))))'
# Its own flash: other tests run this board, too.
_COMMAND = """
import sys
from pathlib import Path
from insitu import places
from insitu.cli import main
places.flash_file = lambda board: Path(sys.argv[1]).with_suffix(".flash")
main()
"""
_GONE = 10.0  # seconds


def _of_session(leader: int) -> list[str]:
    """What runs in the session of a process, which may be gone."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "sess=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(leader)]


def _wait(until: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (found := until()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@pytest.mark.qemu
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left(wasm: Callable[..., Path], tmp_path: Path, sent: signal.Signals) -> None:
    app, temporary = wasm(_FOREVER), tmp_path / "temporary"
    temporary.mkdir()
    command = (sys.executable, "-c", _COMMAND.replace("sys.argv[1]", repr(str(app))), "run", app)
    with subprocess.Popen(
        [*command, "-b", "qemu_rv32", "--invoke", "spin"],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as started:
        assert _wait(lambda: any("qemu-system-riscv32" in line for line in _of_session(started.pid)), 60)
        assert [path.name.startswith("insitu-machine-") for path in temporary.iterdir()] == [True]
        started.send_signal(sent)
        assert started.wait(_GONE) == 128 + sent
    assert list(temporary.iterdir()) == []
    assert _wait(lambda: not _of_session(started.pid), _GONE)


def test_all_boards_of_a_desk_are_let_go() -> None:
    """Two lines on which nothing answers."""
    lines = [os.openpty() for _ in range(2)]
    ports = [word for _, line in lines for word in ("--port", os.ttyname(line))]
    command = (sys.executable, "-m", "insitu", "selftest", *ports)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as started:
        assert _wait(lambda: len(_of_session(started.pid)) == 3, 30)  # a process each, and the first
        assert all(os.read(master, 1) for master, _ in lines)  # both are being asked
        started.send_signal(signal.SIGTERM)
        assert started.wait(_GONE) == 128 + signal.SIGTERM
    assert _wait(lambda: not _of_session(started.pid), _GONE)
    for pair in lines:
        for end in pair:
            os.close(end)


def test_what_is_ignored_stays_so() -> None:
    """As nohup has SIGHUP."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); import sys; sys.argv[1:] = ['--help']\n"
    code += "from insitu.cli import main; main()\n"
    code += "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.endswith("True\n")
