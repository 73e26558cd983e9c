include("manifest_rp2.py")  # noqa: F821
include("manifest_frozen.py")  # noqa: F821
