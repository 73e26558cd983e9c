"""The base of every error that is the user's or the device's fault: a few lines, no traceback."""


def printable(text: str) -> str:
    """Text in one line, whatever names a module chose."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class InsituError(Exception):
    """Something outside insitu is wrong; str() says what, where, and what to do, in one line.

    Attributes: status: what the command exits with; 1: the program or the input is wrong.
    """

    status = 1


class LineError(InsituError):
    """A device, or the line to it, is not there or does not answer."""

    status = 3


class QuietError(InsituError):
    """A program printed nothing for too long. Attributes: output: what it had printed before."""

    status = 124  # as of the command timeout

    def __init__(self, seconds: float, output: bytes = b"") -> None:
        super().__init__(f"nothing was printed for {seconds:g} s: the program hangs, or needs more --timeout SECONDS")
        self.output = output
