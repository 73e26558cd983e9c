"""Where the bytes of flash, stack and RAM go: what `insitu report` and `insitu budget` know, and how it is shown."""
