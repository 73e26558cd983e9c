"""What machine code was in the module and in the source: a map beside the image, and what is read with it."""
