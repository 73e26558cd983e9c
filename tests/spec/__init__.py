"""The official WebAssembly suite's scripts on the device runtime: `python -m tests.spec PATH`."""
