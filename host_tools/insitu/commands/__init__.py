"""What the verbs of the command line do, to be called from Python, too."""
