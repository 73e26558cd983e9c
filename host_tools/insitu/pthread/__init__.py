"""C programs with POSIX threads to WebAssembly: `python -m insitu.pthread`, used as a C compiler is."""
