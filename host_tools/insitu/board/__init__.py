"""Boards: a TOML file each, and the rules that they keep."""
