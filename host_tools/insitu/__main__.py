"""`python -m insitu`: the command."""

from insitu.cli import main

main()
