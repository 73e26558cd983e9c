"""`insitu bind`: a MicroPython module whose functions are a module's exports, and its types for editors."""
