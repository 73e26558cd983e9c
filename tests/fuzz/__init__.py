"""Random valid modules, run on insitu in the simulator and under wasmtime: `make fuzz [SEEDS=n]`."""
