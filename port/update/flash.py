# The flash that images.py keeps images in. On a device this file is what packaging writes for the board, as source
# (host_tools/insitu/flash/store.py): it is compiled there, into RAM, for while flash changes nothing in it runs.
# Here it is the simulated CPU's, which is read alone.
from ..platform import view  # noqa: F401

PLACE = (0, 0, 1)  # of no board yet
