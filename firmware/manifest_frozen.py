# The device package inside: INSITU_PACKAGE is the folder that holds it, its constants folded (host_tools/insitu).
import os

freeze(os.environ["INSITU_PACKAGE"], opt=3)  # noqa: F821
