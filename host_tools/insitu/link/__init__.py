"""The line to a MicroPython board."""
