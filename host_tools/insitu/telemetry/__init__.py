"""The host's side of telemetry: frames found on a serial line, decoded, shown."""
