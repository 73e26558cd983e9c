"""Signed images: keys, signatures, and the module that verifies them on a board (docs/SECURITY.md)."""
