"""The image: what `insitu build` writes and the device executes in place. Layout: port/xip/layout.py."""
