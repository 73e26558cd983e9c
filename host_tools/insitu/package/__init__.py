"""The device package: compiled for a board, and the ways it gets there."""
