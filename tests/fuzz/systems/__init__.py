"""Systems of several modules that share functions, memories, tables and globals, with Python among them.

A system is text: modules, host functions whose bodies are lists of actions, and the steps of a script. It runs on
insitu (device.py) and under wasmtime (oracle.py); host.py, the same on both, carries the actions out.
"""
