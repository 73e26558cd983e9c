"""Bring-up of package, image and instance on a machine, and calls."""
