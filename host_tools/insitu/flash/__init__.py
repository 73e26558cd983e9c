"""Images into a board's flash."""
