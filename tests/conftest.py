"""The same commit gives the same result: hypothesis chooses its examples by the test's own text."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
