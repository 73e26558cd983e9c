"""Programs to begin with; demo.py is `make demo`."""
