# The device package inside: INSITU_PACKAGE is the folder that holds it, compiled (host_tools/insitu).
import os

freeze_mpy(os.environ["INSITU_PACKAGE"])  # noqa: F821
