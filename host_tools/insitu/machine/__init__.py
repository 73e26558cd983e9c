"""What code runs on, a file a kind."""
