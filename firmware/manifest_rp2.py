# What MicroPython's own ports/rp2/boards/manifest.py freezes, without the drivers that are in micropython-lib.
freeze("$(PORT_DIR)/modules")  # noqa: F821
include("$(MPY_DIR)/extmod/asyncio")  # noqa: F821
