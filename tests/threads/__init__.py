"""Programs with threads: `python -m tests.threads [ROUNDS]`."""
