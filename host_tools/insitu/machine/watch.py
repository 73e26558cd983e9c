"""Ends what runs on the simulated CPU of this process when it is quiet for too long, or at Ctrl-C.

Compiled code runs inside of one call of Unicorn's, during which Python handles no signal. So a thread waits for the
signal, too, and stops the CPU.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from insitu.errors import QuietError
from insitu.sim.cpu import CpuFault

_PAUSE = 0.1  # seconds


class Watch:
    """Attributes: quiet: whether it has ended something because nothing was printed."""

    def __init__(self, seconds: float, stop: Callable[[], None], printed: Callable[[], int]) -> None:
        """stop: of the CPU; printed: how many bytes were."""
        self.quiet = self._stopped = False
        self._seconds, self._stop, self._printed = seconds, stop, printed
        self._over = threading.Event()
        self._signals, self._woken = os.pipe()
        for end in (self._signals, self._woken):
            os.set_blocking(end, False)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While something runs. Raises QuietError; KeyboardInterrupt is the user's."""
        thread = threading.Thread(target=self._watch, daemon=True)
        before = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        thread.start()
        try:
            yield
        except (KeyboardInterrupt, CpuFault) as error:
            if self.quiet:
                raise QuietError(self._seconds) from None
            if self._stopped and isinstance(error, CpuFault):  # ctypes drops an exception that comes in a callback
                raise KeyboardInterrupt from None
            raise
        finally:
            signal.set_wakeup_fd(before)
            self._over.set()
            thread.join()
            os.close(self._signals)
            os.close(self._woken)

    def _watch(self) -> None:
        seen, since = self._printed(), time.monotonic()
        while not self._over.wait(_PAUSE):
            if self._printed() != seen:
                seen, since = self._printed(), time.monotonic()
            if time.monotonic() - since > self._seconds:
                self.quiet = True
                _thread.interrupt_main()
            if self.quiet or self._interrupted():
                self._stopped = True
                self._stop()

    def _interrupted(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return signal.SIGINT in os.read(self._signals, 100)
        return False
