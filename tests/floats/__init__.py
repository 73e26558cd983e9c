"""Every float instruction on every target's generated code, against the host's IEEE hardware; docs/floats.md."""
