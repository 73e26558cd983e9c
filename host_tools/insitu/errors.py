"""The base of every error that is the user's or the device's fault: one line, no traceback."""


class InsituError(Exception):
    """Something outside insitu is wrong; str() says what, where, and what to do, in one line."""
